// The tray's field for a name, with what the notebook has to offer: arrows choose, Enter takes, Escape closes.
// @ts-check

import { h, uniqueId } from "./dom.js"
/** @import { Ask } from "./incoming.js" */

const MOST_OFFERS = 8

/** What the field does with a word that was chosen, which is kept with whether it came; and what it says.
 * @typedef {{ask: Ask, take: (word: string) => Promise<boolean>, announce: (words: string) => void}} Doing */

export class Names {
  #id = uniqueId()
  #list = h("div", { class: "sd-offers", role: "listbox", id: this.#id, "aria-label": "Suggestions", hidden: true })
  // The field stays a textbox, by which name it is known; the suggestions hang on it as on a combobox.
  #field = h("input", {
    type: "text", class: "sd-input", "aria-label": "Add by name, path or URL", placeholder: "or a name, path, URL, @3 …", autocomplete: "off",
    spellcheck: "false", "aria-autocomplete": "list", "aria-haspopup": "listbox", "aria-controls": this.#id,
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event), oninput: () => { this.#offer() },
  })
  element = h("div", { class: "sd-field" }, this.#field, this.#list)
  #chosen = -1
  #isAsking = false
  #doing

  /** @param {Doing} doing */
  constructor(doing) {
    this.#doing = doing
  }
  /** Ask what there is, one question at a time: typing waits for none of them. @returns {Promise<void>} */
  async #offer() {
    const field = this.#field
    if (!field.value) this.#close()
    if (this.#isAsking) return
    this.#isAsking = true
    const word = field.value
    const found = word || document.activeElement === field ? await this.#doing.ask("offers", { word }).catch(() => null) : null
    this.#isAsking = false
    if (word !== field.value) return field.value ? this.#offer() : this.#close()
    this.#show(found?.offers.slice(0, MOST_OFFERS) ?? [])
  }
  /** @param {string[]} words */
  #show(words) {
    const before = this.#list.children[this.#chosen]?.textContent ?? ""
    this.#list.replaceChildren(...words.map((word, index) => this.#option(word, index)))
    this.#list.hidden = !words.length
    this.#choose(words.indexOf(before)) // what was chosen meanwhile stays so
    this.#doing.announce(words.length ? `${words.length} ${words.length === 1 ? "suggestion" : "suggestions"}.` : "")
  }
  #close() {
    if (!this.#list.hidden) this.#show([])
  }
  /** @param {string} word @param {number} index */
  #option(word, index) {
    return h("div", {
      class: "sd-chip", role: "option", id: `${this.#id}-${index}`, "aria-selected": "false",
      // At once, for the list may be renewed before the button comes up; a click without one is a screen reader's.
      onmousedown: (/** @type {MouseEvent} */ event) => { event.preventDefault(); if (event.button === 0) this.#accept(word) },
      onclick: (/** @type {MouseEvent} */ event) => { if (event.detail === 0) this.#accept(word) },
    }, word)
  }
  /** @param {number} index */
  #choose(index) {
    const options = [...this.#list.children]
    this.#chosen = index
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === index)))
    if (index < 0) this.#field.removeAttribute("aria-activedescendant")
    else this.#field.setAttribute("aria-activedescendant", `${this.#id}-${index}`)
    options[index]?.scrollIntoView({ block: "nearest" })
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
    this.#close()
  }
  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation()
    if (event.isComposing) return
    const count = this.#list.children.length
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      if (count) this.#choose(((this.#chosen + 1 + step + count + 1) % (count + 1)) - 1)
      else if (step > 0) this.#offer()
    } else if (event.key === "Escape" && count) {
      event.preventDefault()
      this.#close()
    } else if (event.key === "Enter") {
      event.preventDefault()
      const word = this.#chosen < 0 ? this.#field.value.trim() : this.#list.children[this.#chosen].textContent
      if (word) this.#accept(word)
    }
  }
}
