// What the tray says: problems, how much of a file is on its way, and what only a screen reader needs.
// @ts-check

import { alarm, h } from "./dom.js"
import { LATE } from "./text.js"

const MOST_LINES = 6

export class TrayMessages {
  #problems = h("div", {})
  #name = h("span", { class: "sd-hint" })
  #bar = h("progress", { class: "sd-progress", max: 1 })
  #progress = h("div", { class: "sd-row", hidden: true }, this.#name, this.#bar)
  #late = h("div", { class: "sd-hint", role: "status" })
  #status = h("div", { class: "sd-spoken", role: "status" })
  element = h("div", { class: "sd-told-tray" }, this.#progress, this.#late, this.#problems, this.#status)
  /** @type {string[]} */
  #lines = []

  clear() {
    this.#lines = []
    this.#problems.replaceChildren()
  }
  /** @param {string[]} more */
  problems(more) {
    if (!more.length) return
    this.#lines.push(...more)
    const rest = this.#lines.length - MOST_LINES
    this.#problems.replaceChildren(alarm(rest > 0 ? [...this.#lines.slice(0, MOST_LINES), `… and ${rest} more.`] : this.#lines))
  }
  /** @param {string} [file] @param {number} [share] */
  progress(file, share = 0) {
    this.#progress.hidden = file === undefined
    this.#name.textContent = `${file}: ${Math.round(100 * share)} %`
    this.#bar.value = share
    this.#bar.setAttribute("aria-label", `Sending ${file}`)
  }
  /** @param {boolean} isLate */
  late(isLate) {
    this.#late.textContent = isLate ? LATE : ""
  }
  /** @param {string} words */
  announce(words) {
    this.#status.textContent = words
  }
}
