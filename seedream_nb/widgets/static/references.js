// The references in the tray, each with its number: moved by mouse and keyboard, removed, written into the prompt.
// @ts-check

import { address, h, iconButton, spoken } from "./common.js"
import { refusal } from "./incoming.js"
/** @import { Told } from "./incoming.js" */
/** @import { Kernel } from "./line.js" */

/** @typedef {{number: number, name: string, width: number, height: number, url: string | null}} Held a reference as the kernel tells of it */
/** @typedef {ReturnType<typeof references>} Shelf */

/** Before which of these boxes, which stand in rows, a point lies; their number if behind the last.
 * @param {{left: number, right: number, top: number, bottom: number}[]} boxes @param {number} x @param {number} y */
export function gapAt(boxes, x, y) {
  const found = boxes.findIndex(box => y < box.top || (y <= box.bottom && x < (box.left + box.right) / 2))
  return found < 0 ? boxes.length : found
}

/** The place that something from one place gets when it is put before another.
 * @param {number} from @param {number} gap */
export function placeAfter(from, gap) {
  return gap > from ? gap - 1 : gap
}

/** A list with one thing at another place.
 * @template T @param {T[]} list @param {number} from @param {number} to */
export function moved(list, from, to) {
  const rest = list.filter((_, index) => index !== from)
  return [...rest.slice(0, to), list[from], ...rest.slice(to)]
}

/** What is said of references that came or went; nothing of those that only moved.
 * @param {Held[]} before @param {Held[]} after @param {string} prompt */
export function changes(before, after, prompt) {
  const isIn = (/** @type {Held[]} */ list, /** @type {Held} */ one) => list.some(each => each.number === one.number)
  const came = after.filter(each => !isIn(before, each)).map(each => `${each.name} is ${spoken(prompt, after.indexOf(each) + 1)}.`)
  const went = before.filter(each => !isIn(after, each)).map(each => `${each.name} was removed.`)
  return [...went, ...came].join(" ")
}

/** The list of references, each with its number: moved by mouse and keyboard, removed, written into the prompt.
 * @param {Kernel} kernel @param {Told} told @param {HTMLElement} fallback has the focus when the last one is removed */
export function references(kernel, told, fallback) {
  const list = h("ul", { class: "sd-tray", "aria-label": "Reference images" })
  /** @type {Map<number, ReturnType<typeof reference>>} */
  const items = new Map()
  /** @type {Held[]} */
  let held = []
  /** What the kernel said last. @type {Held[] | null} */
  let latest = null
  let store = /** @type {any} */ (null)
  let asked = 0
  /** @type {number | null} */
  let dragged = null
  let isClosed = false

  const act = {
    /** @param {number} number */
    insert(number) {
      if (store.draft) store.change("insert", spoken(store.draft.prompt, place(number) + 1))
    },
    /** @param {number} number @param {string} name */
    remove: (number, name) => kernel.ask("remove", { number }).catch((/** @type {any} */ error) => told.problems(refusal(error, name))),
    /** @param {KeyboardEvent} event @param {number} number */
    key(event, number) {
      const [from, end] = [place(number), held.length - 1]
      const to = { ArrowLeft: from - 1, ArrowUp: from - 1, ArrowRight: from + 1, ArrowDown: from + 1, Home: 0, End: end }[event.key]
      if (to === undefined) return
      event.preventDefault()
      event.stopPropagation()
      if (to >= 0 && to <= end && to !== from) move(number, to)
    },
    /** @param {DragEvent} event @param {number} number */
    drag(event, number) {
      event.dataTransfer?.setData("application/x-seedream-reference", String(number))
      dragged = number
      items.get(number)?.element.classList.add("sd-dragged")
    },
    drop() {
      mark()
      list.querySelector(".sd-dragged")?.classList.remove("sd-dragged")
      dragged = null
    },
  }
  /** @param {number} number */
  function place(number) {
    return held.findIndex(each => each.number === number)
  }
  /** Show the new order at once; what the kernel says meanwhile may be older. @param {number} number @param {number} to */
  async function move(number, to) {
    held = moved(held, place(number), to)
    draw()
    const name = held[to].name
    asked++
    try {
      await kernel.ask("move", { number, place: to })
      told.announce(`${name} is now ${spoken(store.draft?.prompt ?? "", to + 1)} of ${held.length}.`)
    } catch (error) {
      told.problems(refusal(error, name))
    }
    if (--asked === 0 && latest) show(latest, store)
  }
  /** Show these. @param {Held[]} now @param {any} shared */
  function show(now, shared) {
    const words = latest && changes(latest, now, shared.draft?.prompt ?? "")
    latest = now
    store = shared
    if (words) told.announce(words)
    if (asked) return
    held = now
    draw()
  }
  function draw() {
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null
    const [row, column] = focused ? whereIs(focused) : [-1, -1]
    for (const [number, item] of items) {
      if (place(number) >= 0) continue
      item.close()
      items.delete(number)
    }
    held.forEach((each, index) => {
      if (!items.has(each.number)) {
        items.set(each.number, reference(each, act))
        if (!each.url) fetchThumbnail(each.number)
      }
      const element = items.get(each.number)?.element
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null)
    })
    label()
    if (!focused || document.activeElement === focused) return
    if (!focused.isConnected) (list.children[Math.min(row, held.length - 1)]?.querySelectorAll("button")[column] ?? fallback).focus()
    else focused.focus()
  }
  /** The row and the column of a button of the list. @param {HTMLElement} button */
  function whereIs(button) {
    const item = button.closest("li")
    return item ? [[...list.children].indexOf(item), [...item.querySelectorAll("button")].indexOf(/** @type {any} */ (button))] : [-1, -1]
  }
  function label() {
    held.forEach((each, index) => items.get(each.number)?.label(index, store.draft ? spoken(store.draft.prompt, index + 1) : null))
  }
  /** @param {number} number */
  async function fetchThumbnail(number) {
    const made = await kernel.ask("thumbnail", { number }).catch(() => null)
    if (made?.buffers[0]?.byteLength && !isClosed) items.get(number)?.picture(made.buffers[0])
  }
  /** Before which reference the pointer is, as long as that would change anything; and beside which this is shown.
   * @param {DragEvent} event */
  function gap(event) {
    const boxes = [...list.children].map(each => each.getBoundingClientRect())
    const at = gapAt(boxes, event.clientX, event.clientY)
    const from = dragged === null ? -1 : place(dragged)
    if (from < 0 || placeAfter(from, at) === from) return null
    // At the end of a row it is shown there, not where the next one begins.
    const isAfter = at > 0 && event.clientY <= boxes[at - 1].bottom
    return { at, beside: isAfter ? at - 1 : at, side: isAfter ? "after" : "before" }
  }
  /** Show where it would come to. @param {ReturnType<typeof gap>} [found] */
  function mark(found) {
    for (const each of list.children) each.removeAttribute("data-gap")
    if (found) (list.children[found.beside] ?? list.lastElementChild).setAttribute("data-gap", found.beside < held.length ? found.side : "after")
  }
  /** @param {DragEvent} event */
  function over(event) {
    if (dragged === null) return
    event.preventDefault()
    mark(gap(event))
  }
  /** @param {DragEvent} event */
  function drop(event) {
    if (dragged === null) return
    event.preventDefault()
    const found = gap(event)
    if (found) move(dragged, placeAfter(place(dragged), found.at))
  }
  return {
    list, show, label, over, drop,
    out: () => mark(),
    held: () => held,
    isMoving: () => dragged !== null,
    close() {
      isClosed = true
      items.forEach(item => item.close())
    },
  }
}

/** One reference of the list. @param {Held} each @param {any} act */
function reference(each, act) {
  const image = h("img", { alt: "", draggable: "false", hidden: true })
  const none = h("span", { class: "sd-noimage" }, each.url ? "URL" : "")
  const number = h("span", { class: "sd-number-badge" })
  const words = h("span", { class: "sd-spoken" })
  const insert = h("button", { type: "button", class: "sd-reference", onclick: () => act.insert(each.number) }, image, none, number, " ", h("span", { class: "sd-name" }, each.name), words)
  const remove = iconButton("close", `Remove ${each.name}`, () => act.remove(each.number, each.name))
  const move = h("button", {
    type: "button", class: "sd-small sd-move", "aria-label": `Move ${each.name}`, title: "Move: arrow keys, or drag",
    onkeydown: (/** @type {KeyboardEvent} */ event) => act.key(event, each.number),
  }, h("span", { "aria-hidden": "true" }, "⠿"))
  const element = h("li", {
    draggable: "true", ondragend: act.drop,
    ondragstart: (/** @type {DragEvent} */ event) => act.drag(event, each.number),
  }, insert, remove, move)
  let source = ""
  return {
    element,
    /** Say its number, and what a click writes; nothing where there is no prompt. @param {number} index @param {string | null} name */
    label(index, name) {
      number.textContent = String(index + 1)
      element.setAttribute("aria-label", `${name ?? `image ${index + 1}`}: ${each.name}`)
      words.textContent = name ? ` Insert “${name}” into the prompt` : ""
      insert.title = name ? `${each.name}: insert “${name}” into the prompt` : each.name
      insert.setAttribute("aria-disabled", String(!name))
    },
    /** @param {any} bytes a JPEG */
    picture(bytes) {
      image.src = source = address(bytes, "image/jpeg")
      image.hidden = false
      none.hidden = true
    },
    close() {
      element.remove()
      if (source) URL.revokeObjectURL(source)
    },
  }
}
