// The stage: the newest result, large, beside the form; while it is made, a frame of its shape; what failed, above it.
// @ts-check

import { ground, h } from "./dom.js"
import { Failures } from "./failures.js"
import { invitation } from "./invitation.js"
import { Making, phaseOf } from "./making.js"
import { Standing } from "./result.js"
/** @import { Doing } from "./actions.js" */
/** @import { Answers, Entry, Row, Snapshot } from "./protocol.js" */
/** @import { Store } from "./store.js" */

/** What the stage asks of the panel: what the actions need, the full-size view, what is said to a screen reader alone, and
 * the prompt.
 * @typedef {Doing & {
 *   view: (entry: Entry, at: number, closed: () => void) => void, speak: (text: string) => void,
 *   insert: (text: string) => void, writing: () => void, search: HTMLElement,
 * }} Around */

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal, around: Around}} callbacks */
export function stage(root, store, { signal, around }) {
  const shown = new Stage(root, store, around)
  store.follow(snapshot => shown.take(snapshot), signal)
  store.listen("staged", ({ entry, at }) => shown.choose(entry.id, at), signal)
  store.listen("filled", () => shown.invite(), signal)
  store.listen("gone", () => shown.end(), signal)
  const ticking = setInterval(() => shown.tick(), 1000)
  signal.addEventListener("abort", () => clearInterval(ticking))
  shown.refresh() // not after the snapshot has come: that would be another way there and back
}

class Stage {
  #root
  #store
  #around
  #status = h("div", { role: "status", "aria-label": "Progress", class: "sd-spoken" })
  #empty = h("div", { class: "sd-nothing", hidden: true })
  /** @type {Standing} */
  #standing
  #rows = h("div", { class: "sd-rows", role: "group", "aria-label": "Also under way" })
  #more = h("div", { class: "sd-hint" })
  #failures
  /** What is under way, by number, with what has just ended and stands until its result does. @type {Map<number, Making>} */
  #making = new Map()
  /** The number of the one that stands on the stage. @type {number | null} */
  #large = null
  /** The greatest number that was ever seen. */
  #seen = 0
  /** What somebody chose; the newest stands where nobody did. @type {{id: number, at: number} | null} */
  #chosen = null
  #stamp = ""
  #spoken = ""
  /** Whether it was ever heard what there is. */
  #isKnown = false
  #isAsking = false
  #isStale = false

  /** @param {HTMLElement} root @param {Store} store @param {Around} around */
  constructor(root, store, around) {
    this.#root = root
    this.#store = store
    this.#around = around
    this.#standing = new Standing({
      ...around,
      ask: (what, fields) => around.ask(what, what === "rerun" ? { place: this.#standing.result?.place, ...fields } : fields), // at the price that its button says
      look: (mark, sharp) => store.ask("preview", { mark, sharp }).then(({ buffers }) => buffers[0], () => undefined),
      small: marks => store.ask("thumbnails", { marks }),
      view: (entry, at) => around.view(entry, at, () => this.focus()),
      changed: around.writing,
    })
    this.#failures = new Failures(store, { next: () => around.search, amended: around.writing })
    root.setAttribute("aria-label", "Result")
    ground(root)
    root.append(this.#status, this.#failures.element, this.#standing.element, this.#empty, this.#rows, this.#more)
  }
  focus() {
    this.#root.focus()
  }
  /** @param {Snapshot} snapshot */
  take({ jobs, more, history, place }) {
    this.#more.textContent = more ? `and ${more} more under way` : ""
    const running = jobs.filter(job => !job.over)
    const fresh = running.filter(({ number }) => number > this.#seen)
    this.#seen = Math.max(this.#seen, ...jobs.map(({ number }) => number))
    for (const row of running) (this.#making.get(row.number) ?? this.#begin(row)).show(row)
    if (fresh.length) {
      this.#chosen = null
      this.#large = fresh[fresh.length - 1].number
    }
    this.#leave(running, jobs)
    this.#failures.show(jobs.filter(job => job.over))
    this.#place()
    this.#say(jobs)
    const stamp = `${history} ${place}`
    if (this.#stamp && stamp !== this.#stamp) this.refresh()
    this.#stamp = stamp
  }
  /** Put a picture on the stage that somebody chose. @param {number} id @param {number} at */
  choose(id, at) {
    this.#chosen = { id, at }
    this.#large = null
    this.#place()
    if (id === this.#standing.result?.entry.id) this.#standing.choose(at)
    else this.refresh()
  }
  tick() {
    this.#making.forEach(making => making.tick())
  }
  end() {
    this.#making.forEach(making => making.end())
    this.#failures.end()
    this.#standing.end()
  }
  /** How to begin, where nothing stands; once it is known that there is nothing. */
  invite() {
    if (!this.#empty.hidden) this.#empty.replaceChildren(...invitation(this.#store, this.#around.insert))
  }
  /** Ask for what stands, once more if something has changed meanwhile. @returns {Promise<void>} */
  async refresh() {
    if (this.#isAsking) {
      this.#isStale = true
      return
    }
    this.#isAsking = true
    this.#isStale = false
    const chosen = this.#chosen
    const fields = chosen ? { generation: chosen.id, at: chosen.at } : { at: 0 }
    const found = await this.#store.ask("result", fields).catch(() => null)
    if (found && chosen === this.#chosen) await this.#found(found)
    this.#isAsking = false
    if (this.#isStale || (found && chosen !== this.#chosen)) return this.refresh()
  }

  /** @param {Answers["result"] & {buffers: DataView[]}} found */
  async #found({ result, at, buffers }) {
    if (!result && this.#chosen) {
      this.#chosen = null
      this.#isStale = true
      return
    }
    const isSame = result && result.entry.id === this.#standing.result?.entry.id
    if (!result) this.#standing.clear()
    else if (isSame) this.#standing.renew(result)
    else await this.#standing.show(result, at, buffers[0])
    this.#ended()
    this.#isKnown = true
    this.#place()
  }
  /** @param {Row} row */
  #begin(row) {
    const making = new Making(row, this.#store)
    this.#making.set(row.number, making)
    return making
  }
  /** Take away what is no longer under way; what stands on the stage stays until its result is there.
   * @param {Row[]} running @param {Row[]} jobs */
  #leave(running, jobs) {
    const there = new Set(running.map(({ number }) => number))
    for (const [number, making] of [...this.#making]) {
      if (there.has(number)) continue
      const failed = jobs.some(job => job.number === number)
      if (number === this.#large && !failed) {
        this.refresh()
        continue
      }
      const isHeld = making.element.contains(document.activeElement)
      this.#remove(number)
      if (isHeld) requestAnimationFrame(() => failed ? this.#failures.focus(number) : this.focus())
    }
  }
  /** @param {number} number */
  #remove(number) {
    this.#making.get(number)?.element.remove()
    this.#making.delete(number)
    if (number === this.#large) this.#large = null
  }
  /** Take away what has ended, for its result is there. */
  #ended() {
    const running = new Set(this.#store.snapshot?.jobs.filter(job => !job.over).map(({ number }) => number))
    for (const number of [...this.#making.keys()]) {
      if (running.has(number)) continue
      if (this.#making.get(number)?.element.contains(document.activeElement)) this.focus()
      this.#remove(number)
    }
  }
  #place() {
    this.#making.forEach((making, number) => making.place(this.#rows, this.#standing.element, number === this.#large))
    const isFree = this.#large === null
    this.#standing.element.hidden = !isFree || !this.#standing.result
    if (isFree) this.#standing.sharpen()
    const isEmpty = isFree && !this.#standing.result && this.#isKnown
    if (isEmpty === this.#empty.hidden) {
      this.#empty.hidden = !isEmpty
      this.invite()
    }
  }
  /** @param {Row[]} jobs */
  #say(jobs) {
    const words = jobs.map(job => `${phaseOf(job)}: ${job.prompt.slice(0, 60)}`).join(". ")
    if (words !== this.#spoken) this.#status.textContent = this.#spoken = words
  }
}
