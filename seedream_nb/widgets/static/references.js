// The references in the tray, each with its number: moved by mouse and keyboard, removed, written into the prompt.
// @ts-check

import { focusedIn, h, stop } from "./dom.js"
import { Reference } from "./reference.js"
import { refusal } from "./refusal.js"
import { spoken } from "./text.js"
/** @import { Ask } from "./incoming.js" */
/** @import { Draft, Held } from "./protocol.js" */
/** @import { TrayMessages } from "./trayMessages.js" */

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
  const isIn = (/** @type {Held[]} */ list, /** @type {Held} */ one) => list.some(({ number }) => number === one.number)
  const came = after.filter(held => !isIn(before, held)).map(held => `${held.name} is ${spoken(prompt, after.indexOf(held) + 1)}.`)
  const went = before.filter(held => !isIn(after, held)).map(held => `${held.name} was removed.`)
  return [...went, ...came].join(" ")
}

/** What the list asks of the tray: the kernel, the prompt (null where there is none) and what is written into it, what is
 * said, and what has the focus when the last reference is removed.
 * @typedef {{
 *   ask: Ask, look: (number: number) => Promise<DataView | undefined>, prompt: () => string | null,
 *   form: () => Draft | null, insert: (word: string) => void, messages: TrayMessages, fallback: HTMLElement,
 * }} Around */

export class References {
  list = h("ul", { class: "sd-tray", "aria-label": "Reference images" })
  /** What is shown. @type {Held[]} */
  held = []
  #around
  /** @type {Map<number, Reference>} */
  #items = new Map()
  /** What the kernel said last. @type {Held[] | null} */
  #latest = null
  #asked = 0
  /** The number of the one that is dragged. @type {number | null} */
  #dragged = null
  #isClosed = false

  /** @param {Around} around */
  constructor(around) {
    this.#around = around
  }
  get isMoving() {
    return this.#dragged !== null
  }
  /** Show these, as the kernel says. @param {Held[]} now */
  show(now) {
    const words = this.#latest && changes(this.#latest, now, this.#around.prompt() ?? "")
    this.#latest = now
    if (words) this.#around.messages.announce(words)
    if (this.#asked) return // what was moved here meanwhile, the kernel does not know yet
    this.held = now
    this.#draw()
  }
  /** Say the number of each, as the prompt calls it. */
  label() {
    const prompt = this.#around.prompt()
    this.held.forEach(({ number }, index) => this.#items.get(number)?.label(index, prompt === null ? null : spoken(prompt, index + 1)))
  }
  close() {
    this.#isClosed = true
    this.#items.forEach(item => item.close())
  }
  /** @param {number} number */
  #place(number) {
    return this.held.findIndex(held => held.number === number)
  }
  #draw() {
    const focused = focusedIn(this.list)
    const [row, column] = focused ? this.#whereIs(focused) : [-1, -1]
    for (const [number, item] of this.#items) {
      if (this.#place(number) >= 0) continue
      item.close()
      this.#items.delete(number)
    }
    this.held.forEach((held, index) => {
      const { element } = this.#items.get(held.number) ?? this.#made(held)
      if (this.list.children[index] !== element) this.list.insertBefore(element, this.list.children[index] ?? null)
    })
    this.label()
    if (focused) this.#refocus(focused, row, column)
  }
  /** @param {Held} held */
  #made(held) {
    const { number, name } = held
    const item = new Reference(held, {
      insert: () => this.#insert(number),
      remove: () => this.#around.ask("remove", { number, form: this.#around.form() }).catch(error => this.#around.messages.problems(refusal(error, name))),
      key: event => this.#key(event, number),
      drag: event => this.#drag(event, number),
      drop: () => this.#dropped(),
    })
    this.#items.set(number, item)
    if (!held.url) this.#fetchThumbnail(number)
    return item
  }
  /** The row and the column of a button of the list. @param {HTMLElement} button */
  #whereIs(button) {
    const item = button.closest("li")
    return item ? [[...this.list.children].indexOf(item), [...item.querySelectorAll("button")].findIndex(each => each === button)] : [-1, -1]
  }
  /** Give the focus back: to what had it, or to what is in its place now. @param {HTMLElement} focused @param {number} row @param {number} column */
  #refocus(focused, row, column) {
    if (document.activeElement === focused) return
    const beside = this.list.children[Math.min(row, this.held.length - 1)]?.querySelectorAll("button")[column]
    ;(focused.isConnected ? focused : beside ?? this.#around.fallback).focus()
  }
  /** @param {number} number */
  async #fetchThumbnail(number) {
    const bytes = await this.#around.look(number).catch(() => undefined)
    if (bytes?.byteLength && !this.#isClosed) this.#items.get(number)?.picture(bytes)
  }
  /** @param {number} number */
  #insert(number) {
    const prompt = this.#around.prompt()
    if (prompt !== null) this.#around.insert(spoken(prompt, this.#place(number) + 1))
  }

  // -- moving -------------------------------------------------------------------------------------

  /** Show the new order at once; what the kernel says meanwhile may be older. @param {number} number @param {number} to */
  async #move(number, to) {
    const { ask, form, prompt, messages } = this.#around
    this.held = moved(this.held, this.#place(number), to)
    this.#draw()
    const { name } = this.held[to]
    this.#asked++
    try {
      await ask("move", { number, place: to, form: form() })
      messages.announce(`${name} is now ${spoken(prompt() ?? "", to + 1)} of ${this.held.length}.`)
    } catch (error) {
      messages.problems(refusal(error, name))
    }
    if (--this.#asked === 0 && this.#latest) this.show(this.#latest)
  }
  /** @param {KeyboardEvent} event @param {number} number */
  #key(event, number) {
    const [from, end] = [this.#place(number), this.held.length - 1]
    const to = { ArrowLeft: from - 1, ArrowUp: from - 1, ArrowRight: from + 1, ArrowDown: from + 1, Home: 0, End: end }[event.key]
    if (to === undefined) return
    stop(event)
    if (to >= 0 && to <= end && to !== from) this.#move(number, to)
  }
  /** @param {DragEvent} event @param {number} number */
  #drag(event, number) {
    event.dataTransfer?.setData("application/x-seedream-reference", String(number))
    this.#dragged = number
    this.#items.get(number)?.element.classList.add("sd-dragged")
  }
  #dropped() {
    this.unmark()
    this.list.querySelector(".sd-dragged")?.classList.remove("sd-dragged")
    this.#dragged = null
  }
  /** @param {DragEvent} event */
  over(event) {
    if (this.#dragged === null) return
    event.preventDefault()
    this.unmark()
    const found = this.#gap(event)
    if (found) (this.list.children[found.beside] ?? this.list.lastElementChild)?.setAttribute("data-gap", found.beside < this.held.length ? found.side : "after")
  }
  /** @param {DragEvent} event */
  drop(event) {
    if (this.#dragged === null) return
    event.preventDefault()
    const found = this.#gap(event)
    if (found) this.#move(this.#dragged, placeAfter(this.#place(this.#dragged), found.at))
  }
  /** Show no more where it would come to. */
  unmark() {
    for (const item of this.list.children) item.removeAttribute("data-gap")
  }
  /** Before which reference the pointer is, as long as that would change anything; and beside which this is shown.
   * @param {DragEvent} event */
  #gap(event) {
    const boxes = [...this.list.children].map(item => item.getBoundingClientRect())
    const at = gapAt(boxes, event.clientX, event.clientY)
    const from = this.#dragged === null ? -1 : this.#place(this.#dragged)
    if (from < 0 || placeAfter(from, at) === from) return null
    // At the end of a row it is shown there, not where the next one begins.
    const isAfter = at > 0 && event.clientY <= boxes[at - 1].bottom
    return { at, beside: isAfter ? at - 1 : at, side: isAfter ? "after" : "before" }
  }
}
