// Choosing several of the history: by a mode that the keyboard reaches, or with Ctrl and Shift as in any list of files.
// @ts-check

import { h } from "./dom.js"
/** @import { Entry } from "./protocol.js" */

/** What is done with those that are chosen. @typedef {{
 *   entries: () => readonly Entry[], changed: () => void, speak: (text: string) => void,
 *   remove: (entries: readonly Entry[]) => Promise<void>, star: (entries: readonly Entry[]) => Promise<void>, download: (entries: readonly Entry[]) => Promise<string>,
 *   fail: (error: unknown) => void,
 * }} Around */

export class Selection {
  /** Its button among what is above the history, and what it shows while it is on. */
  button = h("button", { type: "button", class: "sd-button", "aria-pressed": "false", onclick: () => this.toggle() }, "Select")
  bar
  isOn = false
  /** @type {Set<number>} */
  #ids = new Set()
  /** From where Shift chooses. @type {number | null} */
  #from = null
  #around
  #count = h("span", { class: "sd-chosen" })
  #buttons

  /** @param {Around} around */
  constructor(around) {
    this.#around = around
    this.#buttons = [
      this.#button("Delete selected", () => around.remove(this.chosen).then(() => this.#leave())),
      this.#button("Star selected", () => around.star(this.chosen)),
      this.#button("Download selected", () => around.download(this.chosen).then(around.speak)),
    ]
    const all = h("button", { type: "button", class: "sd-button", onclick: () => this.all() }, "Select all")
    this.bar = h("div", { class: "sd-row sd-bar", role: "group", "aria-label": "Selection", hidden: true }, this.#count, this.#buttons, all)
  }
  /** @param {string} name @param {() => Promise<unknown>} act */
  #button(name, act) {
    return h("button", { type: "button", class: "sd-button", onclick: () => { act().catch(this.#around.fail) } }, name)
  }
  /** Those that are chosen and still there, newest first. */
  get chosen() {
    return this.#around.entries().filter(({ id }) => this.#ids.has(id))
  }
  /** Whether one is chosen; null while none are being chosen. @param {number} id */
  has(id) {
    return this.isOn ? this.#ids.has(id) : null
  }
  toggle() {
    if (this.isOn) this.end()
    else this.begin()
  }
  begin() {
    this.isOn = true
    this.#changed()
  }
  end() {
    this.isOn = false
    this.#ids.clear()
    this.#from = null
    this.#changed()
  }
  /** End, and keep the focus of who pressed a button that goes with it: on the page, keys are commands of the notebook. */
  #leave() {
    const { activeElement, body } = document
    this.end()
    if (!activeElement || activeElement === body || this.bar.contains(activeElement)) this.button.focus()
  }
  /** Choose one, or no more. @param {number} id */
  flip(id) {
    if (!this.#ids.delete(id)) this.#ids.add(id)
    this.#from = id
    this.begin()
  }
  /** Choose all from the last that was chosen to this one. @param {number} id @param {number} [start] */
  reach(id, start) {
    const ids = this.#around.entries().map(entry => entry.id)
    const [from, to] = [ids.indexOf(this.#from ?? start ?? id), ids.indexOf(id)]
    for (const one of ids.slice(Math.max(0, Math.min(from, to)), Math.max(from, to) + 1)) this.#ids.add(one)
    this.#from ??= start ?? id
    this.begin()
  }
  /** Choose all that is loaded. */
  all() {
    for (const { id } of this.#around.entries()) this.#ids.add(id)
    this.begin()
  }
  /** Say how many are chosen; of what is gone nothing is. */
  update() {
    if (this.isOn) this.#show()
  }
  #changed() {
    this.button.setAttribute("aria-pressed", String(this.isOn))
    this.bar.hidden = !this.isOn
    this.#show()
    this.#around.changed()
  }
  #show() {
    const count = this.chosen.length
    const told = this.isOn ? `${count} selected` : ""
    if (this.#count.textContent !== told && told) this.#around.speak(told)
    this.#count.textContent = told
    for (const button of this.#buttons) button.disabled = !count
  }
}
