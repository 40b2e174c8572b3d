// What is asked for: the draft, looked at by the kernel as it is typed, and sent when somebody presses Generate. All views
// of a panel have one, so that a press in each of two is not two requests.
// @ts-check

import { deliberate } from "./press.js"
import { LATE } from "./text.js"
/** @import { Refusal } from "./protocol.js" */
/** @import { Press } from "./press.js" */
/** @import { Store } from "./store.js" */

/** Milliseconds without typing after which the draft is looked at. */
const CHECK_AFTER = 300
const LOST = "A reference image did not arrive: see below the references. Nothing was sent, nothing was billed."

export class Order {
  /** What is wrong with the draft, by field. @type {Record<string, string[]>} */
  problems = {}
  /** The nearest size that would do. @type {[number, number] | undefined} */
  nearest
  /** What was said of the last press. @type {string[]} */
  told = []
  isBusy = false
  isGone = false
  #store
  #isMeant = deliberate()
  /** What stands in the prompt would be refused, as far as the kernel has looked: then a press does nothing. */
  #isRefused = false
  #isLate = false
  #waits = ""
  #checks = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  #host = ""

  /** @param {Store} store */
  constructor(store) {
    this.#store = store
    store.listen("filled", () => this.#changed())
    store.listen("tray", () => this.#changed())
    store.listen("draft", () => {
      this.#isMeant.anew()
      this.#changed()
    })
    store.listen("filled", () => this.#show())
    store.listen("snapshot", ({ host }) => {
      if (this.#host !== host) this.#say([]) // there was no key, perhaps
      this.#host = host
    })
    store.listen("gone", () => {
      this.isGone = true
      this.#say([]) // it is said at the top
    })
  }
  /** Whether Generate would be taken. */
  get isOffered() {
    return !this.isBusy && !this.#isRefused && this.#store.draft !== null
  }
  /** What it waits for. */
  get waits() {
    return this.#isLate ? LATE : this.#waits
  }
  /** Let the kernel have what was typed last, before nobody looks at it any more. */
  keep() {
    if (this.#timer !== undefined && !this.isGone) this.#check()
  }
  close() {
    this.#forget()
  }
  /** Each press that is meant is one request; the rest of a double click buys nothing.
   * @param {Press} event */
  async generate(event) {
    if (!this.#isMeant(event) || !this.isOffered || this.isGone) return
    this.#forget()
    this.isBusy = true
    this.#say([])
    try {
      const form = { ...this.#store.draft }
      const place = this.#store.snapshot?.place // as the button said when it was pressed
      await this.#arrived()
      await this.#store.ask("generate", { form, place }, { late: isLate => { this.#isLate = isLate; this.#show() } })
      this.#tell({ told: [], fields: {} })
    } catch (error) {
      this.#refused(/** @type {Refusal} */ (error))
    } finally {
      this.isBusy = false // until it was known what came of this one, another was not taken
      this.#show()
    }
  }
  #show() {
    this.#store.change("order", null)
  }
  /** @param {string[]} told */
  #say(told) {
    this.told = told
    this.#show()
  }
  /** @param {Refusal} refusal */
  #tell({ fields, nearest }) {
    this.problems = fields
    this.nearest = nearest
    this.#show()
  }
  /** @param {Refusal} refusal */
  #refused(refusal) {
    this.#tell(refusal)
    const placed = ["prompt", "size", "max_images"].flatMap(name => refusal.fields[name] ?? [])
    this.#say(refusal.told.filter(line => !placed.includes(line)))
  }
  /** What was said of a press holds no longer than what was pressed for. */
  #changed() {
    if (!this.#store.draft) return
    if (!this.isGone) this.#say([])
    this.#forget()
    this.#isRefused = false // until it is looked at: a press right after the mending counts
    this.#show()
    this.#timer = setTimeout(() => this.#check(), CHECK_AFTER)
  }
  /** Take no notice of an answer that is to come, nor look again. */
  #forget() {
    this.#checks++
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
  async #check() {
    this.#forget()
    const asked = this.#checks
    const none = /** @type {Refusal} */ ({ told: [], fields: {} })
    const refusal = await this.#store.ask("check", { form: this.#store.draft }).then(() => none, error => /** @type {Refusal} */ (error))
    if (asked !== this.#checks) return
    this.#isRefused = Boolean(refusal.fields.prompt)
    this.#tell(refusal)
  }
  /** Wait for the references that are on their way: a request without them is not what was meant. */
  async #arrived() {
    const coming = [...this.#store.arrivals].map(arrived => arrived()).filter(each => each !== null)
    if (!coming.length) return
    this.#waits = "Waiting for the reference images."
    this.#show()
    const came = await Promise.all(coming)
    this.#waits = ""
    this.#show()
    if (!came.every(Boolean)) throw { told: [LOST], fields: {} }
  }
}
