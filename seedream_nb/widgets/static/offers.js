// Suggestions below a field: arrows choose, Enter takes what is chosen, Escape closes.
// @ts-check

import { h, uniqueId } from "./dom.js"

/** What is done with a word that was chosen, and what is said. @typedef {{accept: (word: string) => void, announce: (words: string) => void}} Acts */

export class Offers {
  #id = uniqueId()
  element = h("div", { class: "sd-offers", role: "listbox", id: this.#id, "aria-label": "Suggestions", hidden: true })
  #chosen = -1
  #field
  #acts

  /** @param {HTMLInputElement | HTMLTextAreaElement} field @param {Acts} acts */
  constructor(field, acts) {
    this.#field = field
    this.#acts = acts
    // The field stays a textbox, by which name it is known; the suggestions hang on it as on a combobox.
    for (const [name, value] of [["autocomplete", "list"], ["haspopup", "listbox"], ["controls", this.#id]]) field.setAttribute(`aria-${name}`, value)
  }
  get isOpen() {
    return !this.element.hidden
  }
  /** The word that is chosen, if any. */
  get chosen() {
    return this.element.children[this.#chosen]?.textContent ?? ""
  }
  /** The first word. */
  get first() {
    return this.element.firstElementChild?.textContent ?? ""
  }
  /** @param {string[]} words */
  show(words) {
    const before = this.chosen
    this.element.replaceChildren(...words.map((word, index) => this.#option(word, index)))
    this.element.hidden = !words.length
    this.#choose(words.indexOf(before)) // what was chosen meanwhile stays so
    this.#acts.announce(words.length ? `${words.length} ${words.length === 1 ? "suggestion" : "suggestions"}.` : "")
  }
  close() {
    if (this.isOpen) this.show([])
  }
  /** Act on a key, if it is one for the suggestions; returns whether it was. @param {KeyboardEvent} event */
  key(event) {
    const count = this.element.children.length
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!count || event.isComposing || event.altKey) return false
    if (step) this.#choose(((this.#chosen + 1 + step + count + 1) % (count + 1)) - 1)
    else if (event.key === "Escape") this.close()
    else return false
    event.preventDefault()
    return true
  }
  /** @param {string} word @param {number} index */
  #option(word, index) {
    return h("div", {
      class: "sd-chip", role: "option", id: `${this.#id}-${index}`, "aria-selected": "false",
      // At once, for the list may be renewed before the button comes up; a click without one is a screen reader's.
      onmousedown: (/** @type {MouseEvent} */ event) => { event.preventDefault(); if (event.button === 0) this.#acts.accept(word) },
      onclick: (/** @type {MouseEvent} */ event) => { if (event.detail === 0) this.#acts.accept(word) },
    }, word)
  }
  /** @param {number} index */
  #choose(index) {
    const options = [...this.element.children]
    this.#chosen = index
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === index)))
    if (index < 0) this.#field.removeAttribute("aria-activedescendant")
    else this.#field.setAttribute("aria-activedescendant", `${this.#id}-${index}`)
    options[index]?.scrollIntoView({ block: "nearest" })
  }
}
