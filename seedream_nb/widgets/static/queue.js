// The queue: what runs, waits, has failed or was stopped.
// @ts-check

import { focusedIn, h, iconButton, lines } from "./dom.js"
import { deliberate } from "./press.js"
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

/** What a row calls the state of its request. @param {Row} row */
function named(row) {
  return WORDS[row.phase] || (row.over ? "Failed" : row.phase)
}

/** @param {HTMLElement} root @param {Store} store
 * @param {{signal: AbortSignal, next: () => HTMLElement}} callbacks what has the focus when the last row goes that had it */
export function queue(root, store, { signal, next }) {
  const element = h("div", { class: "sd-queue" })
  const status = h("div", { role: "status", "aria-label": "Progress", class: "sd-spoken" })
  /** @type {Map<number, QueueRow>} */
  const shown = new Map()
  let spoken = ""
  root.append(status, element)

  /** Take a row away; the focus, if it is there, goes to the next, or to what is below. @param {QueueRow} row */
  function leave({ element: row }) {
    const isHere = focusedIn(row)
    const beside = row.nextElementSibling ?? row.previousElementSibling
    row.remove()
    if (!isHere) return
    const to = beside?.querySelector("button:not([hidden])")
    ;(to instanceof HTMLElement ? to : next()).focus()
  }
  /** @param {Row} row */
  function made(row) {
    const one = new QueueRow(row, store)
    shown.set(row.number, one)
    element.append(one.element)
    return one
  }
  store.follow(({ jobs }) => {
    const there = new Set(jobs.map(({ number }) => number))
    for (const [number, row] of shown) {
      if (there.has(number)) continue
      leave(row)
      shown.delete(number)
    }
    for (const job of jobs) (shown.get(job.number) ?? made(job)).show(job)
    const words = jobs.map(job => `${named(job)}: ${job.prompt.slice(0, 60)}`).join(". ")
    if (words !== spoken) status.textContent = spoken = words
  }, signal)
  store.listen("gone", () => shown.forEach(row => row.end()), signal)
  const ticking = setInterval(() => shown.forEach(row => row.tick()), 1000)
  signal.addEventListener("abort", () => clearInterval(ticking))
}

class QueueRow {
  #number
  #store
  #phase = h("strong", {})
  #seconds = h("span", { class: "sd-seconds" })
  #bar = h("span", {})
  #track = h("div", { class: "sd-track", "aria-hidden": "true" }, this.#bar)
  #told = h("div", { class: "sd-told" })
  #late = h("div", { class: "sd-told" })
  #isMeant = deliberate()
  #cancel = h("button", { type: "button", class: "sd-button", onclick: () => { this.#act("cancel") } }, "Cancel")
  #again = h("button", { type: "button", class: "sd-button", onclick: (/** @type {MouseEvent} */ event) => { if (this.#isMeant(event)) this.#act("again") } }, "Try again")
  #dismiss = iconButton("close", "Dismiss", () => { this.#act("dismiss") })
  #began = 0
  #isOver = false
  #isEnded = false
  #isAsking = false

  /** @param {Row} first @param {Store} store */
  constructor({ number, prompt }, store) {
    this.#number = number
    this.#store = store
    this.element = h("section", { class: "sd-job", "aria-label": prompt, tabindex: "-1" },
      h("div", { class: "sd-row" }, this.#phase, h("span", { class: "sd-about" }, prompt), this.#seconds, ...this.#buttons), this.#track, this.#told, this.#late)
  }
  get #buttons() {
    return [this.#cancel, this.#again, this.#dismiss]
  }
  tick() {
    if (!this.#isOver && !this.#isEnded) this.#seconds.textContent = elapsed((performance.now() - this.#began) / 1000)
  }
  /** The kernel has ended: nothing can be done here any more. */
  end() {
    this.#isEnded = true
    for (const button of this.#buttons) button.disabled = true
  }
  /** @param {Row} row */
  show(row) {
    const { over, phase, stopped } = row
    this.#isOver = over
    this.#began = performance.now() - 1000 * row.seconds
    this.element.classList.toggle("sd-failed", over && phase !== "stopped")
    this.#phase.textContent = named(row)
    this.#offer(row)
    this.#seconds.hidden = over
    this.#share(row)
    lines(this.#told, over ? row.error ?? [] : stopped ?? (phase === "waiting" ? [row.told] : []))
    this.tick()
  }
  /** Show the buttons of what can be done with it. @param {Row} row */
  #offer({ over, stopped, sent, free }) {
    const isHeld = document.activeElement === this.#cancel && (over || stopped !== null)
    this.#cancel.hidden = over || stopped !== null
    this.#cancel.title = !sent ? UNSENT : free ? SENT : BILLED
    this.#again.hidden = this.#dismiss.hidden = !over
    if (isHeld) this.element.focus() // and not what buys another: it may be pressed twice
  }
  /** @param {Row} row */
  #share({ over, share, phase }) {
    this.#track.hidden = over
    this.#track.classList.toggle("sd-moving", share === null && phase !== "waiting")
    this.#bar.style.width = share === null ? "" : `${Math.round(100 * share)}%`
  }
  /** @param {"cancel" | "again" | "dismiss"} what */
  async #act(what) {
    if (this.#isAsking) return
    this.#isAsking = true
    for (const button of this.#buttons) button.setAttribute("aria-disabled", "true")
    try {
      await this.#store.ask(what, { number: this.#number }, { late: isLate => { this.#late.textContent = isLate ? LATE : "" } })
    } catch (error) {
      lines(this.#told, /** @type {Refusal} */ (error).told)
    } finally {
      this.#isAsking = false
      for (const button of this.#buttons) button.removeAttribute("aria-disabled")
    }
  }
}
