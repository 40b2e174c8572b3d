// Within a brace of the prompt: the notebook's variables, for an expression.
// @ts-check

import { Offers } from "./offers.js"
/** @import { Store } from "./store.js" */

const MOST_NAMES = 8

/** What is written of a name between a brace and the cursor; null where no expression begins, as in `{{`.
 * @param {string} before what stands before the cursor */
export function nameAt(before) {
  return /(?<!\{)\{((?:[\p{L}_][\p{L}\p{N}_]*)?)$/u.exec(before)?.[1] ?? null
}

/** A text with a name in the brace before the cursor, which is closed; and where the cursor is then.
 * @param {string} text @param {number} cursor @param {string} name */
export function completed(text, cursor, name) {
  const start = cursor - (nameAt(text.slice(0, cursor)) ?? "").length
  const rest = text.slice(cursor).replace(/^[\p{L}\p{N}_]*\}?/u, "")
  return { text: `${text.slice(0, start)}${name}}${rest}`, cursor: start + name.length + 1 }
}

export class Braces {
  #field
  #store
  #typed
  #offers
  #asked = 0

  /** @param {HTMLTextAreaElement} field @param {Store} store @param {{typed: () => void, announce: (words: string) => void}} callbacks */
  constructor(field, store, { typed, announce }) {
    this.#field = field
    this.#store = store
    this.#typed = typed
    this.#offers = new Offers(field, { accept: word => this.#accept(word), announce })
    field.addEventListener("blur", () => this.#offers.close())
  }
  get element() {
    return this.#offers.element
  }
  /** Offer what fits to what is typed. */
  async offer() {
    const asked = ++this.#asked
    const word = this.#word
    const found = word === null ? null : await this.#store.ask("names", { word }).catch(() => null)
    if (asked === this.#asked) this.#offers.show(found?.names.slice(0, MOST_NAMES) ?? [])
  }
  /** Act on a key, if it is one for the names; returns whether it was. @param {KeyboardEvent} event */
  key(event) {
    if (!this.#offers.isOpen) return false
    if (this.#offers.key(event)) return true
    const isPlain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing
    const word = event.key === "Tab" ? this.#offers.chosen || this.#offers.first : event.key === "Enter" ? this.#offers.chosen : ""
    if (!isPlain || !word) return false
    event.preventDefault()
    this.#accept(word)
    return true
  }
  get #word() {
    const { selectionStart, selectionEnd, value } = this.#field
    return selectionStart === selectionEnd ? nameAt(value.slice(0, selectionStart)) : null
  }
  /** @param {string} name */
  #accept(name) {
    if (this.#word === null) return
    const made = completed(this.#field.value, this.#field.selectionStart, name)
    this.#field.value = made.text
    this.#field.setSelectionRange(made.cursor, made.cursor)
    this.#asked++
    this.#offers.close()
    this.#typed()
  }
}
