// The tray's field for a name, with what the notebook has to offer.
// @ts-check

import { h } from "./dom.js"
import { Offers } from "./offers.js"
/** @import { Ask } from "./incoming.js" */

const MOST_OFFERS = 8

/** What the field does with a word that was chosen, which is kept with whether it came, and when it was
 * emptied; and what it says.
 * @typedef {{ask: Ask, take: (word: string) => Promise<boolean>, emptied: () => void, announce: (words: string) => void}} Doing */

export class Names {
  #field = h("input", {
    type: "text", class: "sd-input", "aria-label": "Add by name, path or URL", placeholder: "or a name, path, URL, @3 …", autocomplete: "off",
    spellcheck: "false", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event), oninput: () => { this.#offer() },
  })
  #offers
  element
  #isAsking = false
  #doing

  /** @param {Doing} doing */
  constructor(doing) {
    this.#doing = doing
    this.#offers = new Offers(this.#field, { accept: word => { this.#accept(word) }, announce: doing.announce })
    this.element = h("div", { class: "sd-field" }, this.#field, this.#offers.element)
  }
  /** Ask what there is, one question at a time: typing waits for none of them. @returns {Promise<void>} */
  async #offer() {
    const field = this.#field
    if (!field.value) {
      this.#offers.close()
      this.#doing.emptied()
    }
    if (this.#isAsking) return
    this.#isAsking = true
    const word = field.value
    const found = word || document.activeElement === field ? await this.#doing.ask("offers", { word }).catch(() => null) : null
    this.#isAsking = false
    if (word !== field.value) return field.value ? this.#offer() : this.#offers.close()
    this.#offers.show(found?.offers.slice(0, MOST_OFFERS) ?? [])
  }
  /** @param {string} word */
  async #accept(word) {
    const field = this.#field
    if (word.endsWith("/")) {
      field.value = word
      return this.#offer()
    }
    const before = field.value
    if (await this.#doing.take(word) && field.value === before) field.value = ""
    this.#offers.close()
  }
  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation()
    if (event.isComposing || this.#offers.key(event)) return
    if (event.key === "ArrowDown") {
      event.preventDefault()
      this.#offer()
    } else if (event.key === "Enter") {
      event.preventDefault()
      const word = this.#offers.chosen || this.#field.value.trim()
      if (word) this.#accept(word)
    }
  }
}
