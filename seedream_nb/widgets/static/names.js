// The tray's field for a name, with what the notebook has to offer.
// @ts-check

import { h } from "./common.js"
/** @import { Arrivals, Told } from "./incoming.js" */
/** @import { Kernel } from "./line.js" */

const MOST_OFFERS = 8

/** The field for a name, path or URL, with what the notebook has to offer: arrows choose, Enter takes, Escape closes.
 * @param {Kernel} kernel @param {Arrivals} incoming @param {Told} told */
export function byName(kernel, incoming, told) {
  const id = `sd-${Math.random().toString(36).slice(2)}`
  const list = h("div", { class: "sd-offers", role: "listbox", id, "aria-label": "Suggestions", hidden: true })
  // The field stays a textbox, by which name it is known; the suggestions hang on it as on a combobox.
  const field = h("input", {
    type: "text", class: "sd-input", "aria-label": "Add by name, path or URL", placeholder: "or a name, path, URL, @3 …", autocomplete: "off",
    spellcheck: "false", "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-controls": id, onkeydown: key, oninput: offer,
  })
  let chosen = -1
  let isAsking = false

  /** Ask what there is, one question at a time: typing waits for none of them. @returns {Promise<void>} */
  async function offer() {
    if (!field.value) close()
    if (isAsking) return
    isAsking = true
    const word = field.value
    const found = word || document.activeElement === field ? await kernel.ask("offers", { word }).catch(() => null) : null
    isAsking = false
    if (word !== field.value) return field.value ? offer() : close()
    show(found?.offers.slice(0, MOST_OFFERS) ?? [])
  }
  /** @param {string[]} words */
  function show(words) {
    const before = list.children[chosen]?.textContent ?? ""
    list.replaceChildren(...words.map(option))
    list.hidden = !words.length
    choose(words.indexOf(before)) // what was chosen meanwhile stays so
    told.announce(words.length ? `${words.length} ${words.length === 1 ? "suggestion" : "suggestions"}.` : "")
  }
  function close() {
    if (!list.hidden) show([])
  }
  /** @param {string} word @param {number} index */
  function option(word, index) {
    return h("div", {
      class: "sd-chip", role: "option", id: `${id}-${index}`, "aria-selected": "false",
      // At once, for the list may be renewed before the button comes up; a click without one is a screen reader's.
      onmousedown: (/** @type {MouseEvent} */ event) => { event.preventDefault(); if (event.button === 0) accept(word) },
      onclick: (/** @type {MouseEvent} */ event) => { if (event.detail === 0) accept(word) },
    }, word)
  }
  /** @param {number} index */
  function choose(index) {
    chosen = index
    ;[...list.children].forEach((each, number) => each.setAttribute("aria-selected", String(number === index)))
    if (index < 0) field.removeAttribute("aria-activedescendant")
    else field.setAttribute("aria-activedescendant", `${id}-${index}`)
    list.children[index]?.scrollIntoView({ block: "nearest" })
  }
  /** @param {string} word */
  async function accept(word) {
    if (word.endsWith("/")) {
      field.value = word
      return offer()
    }
    const before = field.value
    if (await incoming.name(word) && field.value === before) field.value = ""
    close()
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    event.stopPropagation()
    if (event.isComposing) return
    const count = list.children.length
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      if (count) choose(((chosen + 1 + step + count + 1) % (count + 1)) - 1)
      else if (step > 0) offer()
    } else if (event.key === "Escape" && count) {
      event.preventDefault()
      close()
    } else if (event.key === "Enter") {
      event.preventDefault()
      const word = chosen < 0 ? field.value.trim() : list.children[chosen].textContent
      if (word) accept(word)
    }
  }
  return { element: h("div", { class: "sd-field" }, field, list) }
}
