// What was deleted, and the way back: a line that stays until something else is done.
// @ts-check

import { h } from "./dom.js"
/** @import { Answers } from "./protocol.js" */

/** What brings generations back. @typedef {{restore: (ids: number[]) => Promise<unknown>, fail: (error: unknown) => void, speak: (text: string) => void}} Around */

export class Undoing {
  element = h("div", { class: "sd-row sd-undoing", hidden: true })
  #around
  #ids = /** @type {number[]} */ ([])
  #button = h("button", { type: "button", class: "sd-button", onclick: () => this.undo() }, "Undo")

  /** @param {Around} around */
  constructor(around) {
    this.#around = around
  }
  get isOffered() {
    return this.#ids.length > 0
  }
  /** Say what was deleted, and what was not. @param {Answers["delete"]} outcome */
  show({ deleted, told }) {
    this.#ids = deleted
    this.#around.speak(`${told}${deleted.length ? " Undo brings it back." : ""}`)
    this.element.replaceChildren(h("span", {}, told), ...(deleted.length ? [this.#button] : []))
    this.element.hidden = false
  }
  /** Say it no more: something else was done. */
  clear() {
    this.#ids = []
    this.element.hidden = true
    this.element.replaceChildren()
  }
  async undo() {
    const ids = this.#ids
    if (!ids.length) return
    this.#ids = []
    try {
      await this.#around.restore(ids)
      this.#around.speak("It is back.")
      this.clear()
    } catch (error) {
      this.#ids = ids
      this.#around.fail(error)
    }
  }
}
