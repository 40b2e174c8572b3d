// A request that is under way: a frame of its shape on the stage, or a small row beside it.
// @ts-check

import { focusedIn, h, lines } from "./dom.js"
import { elapsed, LATE } from "./text.js"
/** @import { Refusal, Row } from "./protocol.js" */
/** @import { Store } from "./store.js" */

/** @type {Record<string, string>} */
const WORDS = {
  preparing: "Preparing", waiting: "Waiting", uploading: "Uploading", generating: "Generating", downloading: "Downloading",
  stopped: "Stopped", unknown: "Outcome unknown", partial: "Pictures are missing",
}
const SENT = "Already sent: it can't be taken back and will continue"
const BILLED = "Already sent: it can't be taken back, may be billed and will continue"
const UNSENT = "Not sent yet: nothing will be billed"

/** What the state of a request is called. @param {Row} row */
export function phaseOf(row) {
  return WORDS[row.phase] || (row.over ? "Failed" : row.phase)
}

export class Making {
  #number
  #store
  #phase = h("strong", {})
  #seconds = h("span", { class: "sd-seconds" })
  #usual = h("span", { class: "sd-seconds" })
  #bar = h("span", {})
  #track = h("div", { class: "sd-track", "aria-hidden": "true" }, this.#bar)
  #told = h("div", { class: "sd-told" })
  #late = h("div", { class: "sd-told" })
  #cancel = h("button", { type: "button", class: "sd-button", onclick: () => { this.#stop() } }, "Cancel")
  #canvas
  #began = 0
  #isEnded = false
  #isAsking = false

  /** @param {Row} first @param {Store} store */
  constructor({ number, prompt, pictures, width, height }, store) {
    this.#number = number
    this.#store = store
    const several = pictures > 1 ? h("span", { class: "sd-seconds" }, `up to ${pictures} pictures`) : null
    this.#canvas = h("div", { class: "sd-canvas sd-soon" }, h("div", { class: "sd-state" },
      this.#phase, this.#seconds, this.#usual, several, this.#cancel, this.#track, this.#told, this.#late))
    if (width && height) this.#canvas.style.setProperty("--ratio", String(width / height))
    this.element = h("section", { class: "sd-job", "aria-label": prompt, tabindex: "-1" },
      this.#canvas, h("div", { class: "sd-about", title: prompt }, prompt))
  }
  /** Stand on the stage, or in a row beside what does; what has the focus keeps it.
   * @param {HTMLElement} rows @param {HTMLElement} standing before which it stands where it is large @param {boolean} isLarge */
  place(rows, standing, isLarge) {
    this.element.classList.toggle("sd-onstage", isLarge)
    if (isLarge === (this.element.parentElement !== rows) && this.element.isConnected) return
    const focused = focusedIn(this.element)
    if (isLarge) standing.before(this.element)
    else rows.prepend(this.element)
    focused?.focus()
  }
  tick() {
    if (!this.#isEnded) this.#seconds.textContent = elapsed((performance.now() - this.#began) / 1000)
  }
  /** The kernel has ended: nobody knows any more, and nothing can be done here. */
  end() {
    this.#isEnded = true
    this.#cancel.disabled = true
    this.#canvas.classList.remove("sd-soon")
    this.#track.hidden = true
  }
  /** @param {Row} row */
  show(row) {
    const { phase, stopped, usual, share } = row
    this.#began = performance.now() - 1000 * row.seconds
    this.#phase.textContent = phaseOf(row)
    this.#usual.textContent = usual !== null && phase === "generating" ? `usually ${elapsed(Math.max(1, Math.round(usual)))}` : ""
    this.#offer(row)
    this.#canvas.classList.toggle("sd-still", phase === "waiting")
    this.#track.classList.toggle("sd-moving", share === null && phase !== "waiting")
    this.#bar.style.width = share !== null ? `${Math.round(100 * share)}%` : phase === "waiting" ? "0" : ""
    this.#told.classList.toggle("sd-waits", stopped === null)
    lines(this.#told, stopped ?? (phase === "waiting" ? [row.told] : []))
    this.tick()
  }
  /** @param {Row} row */
  #offer({ stopped, sent, free }) {
    const isHeld = document.activeElement === this.#cancel && stopped !== null
    this.#cancel.hidden = stopped !== null
    this.#cancel.title = !sent ? UNSENT : free ? SENT : BILLED
    if (isHeld) this.element.focus()
  }
  async #stop() {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#cancel.setAttribute("aria-disabled", "true")
    try {
      await this.#store.ask("cancel", { number: this.#number }, { late: isLate => { this.#late.textContent = isLate ? LATE : "" } })
    } catch (error) {
      lines(this.#told, /** @type {Refusal} */ (error).told)
    } finally {
      this.#isAsking = false
      this.#cancel.removeAttribute("aria-disabled")
    }
  }
}
