// What has failed or was stopped, and nobody has dismissed: the newest first, of which one is open.
// @ts-check

import { focusedIn, h, iconButton, lines } from "./dom.js"
import { phaseOf } from "./making.js"
import { deliberate } from "./press.js"
import { roving } from "./roving.js"
import { LATE } from "./text.js"
/** @import { Refusal, Row } from "./protocol.js" */
/** @import { Store } from "./store.js" */

/** @typedef {"again" | "amend" | "dismiss"} Deed */

export class Failures {
  #store
  #list = h("div", { class: "sd-faults" })
  #more = h("button", { type: "button", class: "sd-link", "aria-expanded": "false", onclick: () => this.#open() })
  #clear = h("button", { type: "button", class: "sd-link", onclick: () => { this.#dismissAll() } }, "Dismiss all")
  #rest = h("div", { class: "sd-row sd-rest", hidden: true }, this.#more, this.#clear)
  element = h("div", { class: "sd-failures", hidden: true }, this.#list, this.#rest)
  /** By their numbers. @type {Map<number, Failure>} */
  #shown = new Map()
  #isOpen = false
  #next

  /** @param {Store} store @param {{next: () => HTMLElement, amended: () => void}} callbacks */
  constructor(store, { next, amended }) {
    this.#store = store
    this.#next = next
    this.amended = amended
  }
  /** @param {Row[]} rows those that are over, oldest first */
  show(rows) {
    const focused = focusedIn(this.element)
    const newest = [...rows].reverse()
    for (const [number, failure] of this.#shown) {
      if (newest.some(row => row.number === number)) continue
      failure.element.remove()
      this.#shown.delete(number)
    }
    newest.forEach((row, at) => {
      const { element } = this.#shown.get(row.number) ?? this.#made(row)
      if (this.#list.children[at] !== element) this.#list.insertBefore(element, this.#list.children[at] ?? null)
    })
    this.#draw()
    if (focused && !focused.isConnected) (this.#list.querySelector("button") ?? this.#next()).focus()
  }
  /** Give the focus to what has become of a request. @param {number} number */
  focus(number) {
    this.#shown.get(number)?.element.focus()
  }
  end() {
    this.element.querySelectorAll("button").forEach(button => { button.disabled = true })
  }
  /** @param {Row} row */
  #made(row) {
    const failure = new Failure(row, this.#store, this.amended)
    this.#shown.set(row.number, failure)
    return failure
  }
  #draw() {
    const count = this.#shown.size
    if (count < 2) this.#isOpen = false
    ;[...this.#list.children].forEach((each, at) => { /** @type {HTMLElement} */ (each).hidden = at > 0 && !this.#isOpen })
    this.element.hidden = !count
    this.#rest.hidden = count < 2
    this.#more.textContent = this.#isOpen ? "Show fewer" : `${count - 1} more`
    this.#more.setAttribute("aria-expanded", String(this.#isOpen))
  }
  #open() {
    this.#isOpen = !this.#isOpen
    this.#draw()
  }
  #dismissAll() {
    this.#store.ask("dismiss_all").catch(() => {})
  }
}

class Failure {
  #number
  #store
  #told = h("div", { class: "sd-told" })
  #late = h("div", { class: "sd-told" })
  #isMeant = deliberate()
  #isAsking = false
  #bar
  #amended

  /** @param {Row} row @param {Store} store @param {() => void} amended */
  constructor(row, store, amended) {
    const { number, prompt, phase, error } = row
    this.#number = number
    this.#store = store
    this.#amended = amended
    this.#bar = h("div", { class: "sd-row", role: "toolbar", "aria-label": "What can be done" }, ...this.#buttons(row))
    roving(this.#bar)()
    this.element = h("section", { class: phase === "stopped" ? "sd-fault" : "sd-fault sd-failed", "aria-label": prompt, tabindex: "-1" },
      h("div", { class: "sd-row sd-what" }, h("strong", {}, phaseOf(row)), h("span", { class: "sd-about", title: prompt }, prompt)), this.#told, this.#late, this.#bar)
    lines(this.#told, error ?? [])
  }
  /** What the safety check refused is not tried again as it is. @param {Row} row */
  #buttons({ refused }) {
    return [refused ? null : this.#button("Try again", "again"), this.#button("Edit request", "amend"), iconButton("close", "Dismiss", () => { this.#act("dismiss") })]
      .filter(each => each !== null)
  }
  /** @param {string} name @param {Deed} deed */
  #button(name, deed) {
    return h("button", { type: "button", class: "sd-button", onclick: (/** @type {MouseEvent} */ event) => { if (deed !== "again" || this.#isMeant(event)) this.#act(deed) } }, name)
  }
  /** @param {Deed} deed */
  async #act(deed) {
    if (this.#isAsking) return
    this.#isAsking = true
    for (const button of this.#bar.children) button.setAttribute("aria-disabled", "true")
    try {
      const form = deed === "amend" ? { form: this.#store.draft } : {}
      await this.#store.ask(deed, { number: this.#number, ...form }, { late: isLate => { this.#late.textContent = isLate ? LATE : "" } })
      if (deed === "amend") this.#amended()
    } catch (error) {
      lines(this.#told, /** @type {Refusal} */ (error).told)
    } finally {
      this.#isAsking = false
      for (const button of this.#bar.children) button.removeAttribute("aria-disabled")
    }
  }
}
