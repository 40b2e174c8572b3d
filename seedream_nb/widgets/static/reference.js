// One reference of the tray.
// @ts-check

import { address } from "./bytes.js"
import { h, iconButton } from "./dom.js"
/** @import { Held } from "./protocol.js" */

/** What is done with it.
 * @typedef {{insert: () => void, remove: () => void, key: (event: KeyboardEvent) => void, drag: (event: DragEvent) => void, drop: () => void}} Acts */

export class Reference {
  #image = h("img", { alt: "", draggable: "false", hidden: true })
  #none = h("span", { class: "sd-noimage" })
  #number = h("span", { class: "sd-number-badge" })
  #words = h("span", { class: "sd-spoken" })
  #insert
  #held
  #source = ""

  /** @param {Held} held @param {Acts} acts */
  constructor(held, { insert, remove, key, drag, drop }) {
    const { name, url } = held
    this.#held = held
    this.#none.textContent = url ? "URL" : ""
    this.#insert = h("button", { type: "button", class: "sd-reference", onclick: insert },
      this.#image, this.#none, this.#number, " ", h("span", { class: "sd-name" }, name), this.#words)
    const move = h("button", { type: "button", class: "sd-small sd-move", "aria-label": `Move ${name}`, title: "Move: arrow keys, or drag", onkeydown: key },
      h("span", { "aria-hidden": "true" }, "⠿"))
    this.element = h("li", { draggable: "true", ondragend: drop, ondragstart: drag }, this.#insert, iconButton("close", `Remove ${name}`, remove), move)
  }
  /** Say its number, and what a click writes; nothing where there is no prompt. @param {number} index @param {string | null} word */
  label(index, word) {
    const { name } = this.#held
    this.#number.textContent = String(index + 1)
    this.element.setAttribute("aria-label", `${word ?? `image ${index + 1}`}: ${name}`)
    this.#words.textContent = word ? ` Insert “${word}” into the prompt` : ""
    this.#insert.title = word ? `${name}: insert “${word}” into the prompt` : name
    this.#insert.setAttribute("aria-disabled", String(!word))
  }
  /** @param {DataView} bytes a JPEG */
  picture(bytes) {
    this.#image.src = this.#source = address(bytes, "image/jpeg")
    this.#image.hidden = false
    this.#none.hidden = true
  }
  close() {
    this.element.remove()
    if (this.#source) URL.revokeObjectURL(this.#source)
  }
}
