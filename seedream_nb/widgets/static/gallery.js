// The gallery: the history as a wall of pictures, searched, and kept up to date.
// @ts-check

import { Card, hear } from "./card.js"
import { insertBelow, saveFile, toClipboard } from "./copying.js"
import { alarm, focusedIn, h, icon } from "./dom.js"
import { Entries } from "./entries.js"
import { frameQueue } from "./frameQueue.js"
import { invitation } from "./invitation.js"
import { anyLate } from "./kernel.js"
import { scrollSpeed } from "./scrollSpeed.js"
import { LATE } from "./text.js"
import { thumbnails } from "./thumbnails.js"
import { View } from "./view.js"
import { Wall } from "./wall.js"
/** @import { Answers, Entry, Refusal } from "./protocol.js" */
/** @import { Store } from "./store.js" */

const SEARCH_AFTER = 150
/** Pixels beyond the edge at which what comes is made, and at which more is asked for. */
const NEAR = 600
const MORE = 1200

/** @param {HTMLElement} root @param {Store} store
 * @param {{signal: AbortSignal, insert?: (text: string) => void}} callbacks @returns the field for its search, and what is done with a picture or a request */
export function gallery(root, store, { signal, insert = () => {} }) {
  const shown = new Gallery(store, insert)
  root.append(...shown.elements)
  shown.begin(signal)
  return { search: shown.search, doing: shown.doing }
}

class Gallery {
  search = h("input", {
    type: "search", class: "sd-input", "aria-label": "Search history", placeholder: "Search history",
    oninput: () => this.#sought(), onkeydown: event => event.stopPropagation(),
  })
  #stars = h("button", { type: "button", class: "sd-button sd-stars", "aria-pressed": "false", "aria-label": "Only with a star", title: "Only with a star", onclick: () => this.#filter() }, icon("star"))
  #empty = h("div", { class: "sd-nothing" })
  #end = h("div", { class: "sd-end" })
  #scroll = h("div", { class: "sd-scroll" })
  #said = h("div", {})
  #late = h("div", { class: "sd-hint" })
  #spoken = h("div", { role: "status", class: "sd-spoken" })
  #store
  #insert
  #frames = frameQueue()
  #tellLate = anyLate(isLate => { this.#late.textContent = isLate ? LATE : "" })
  #entries
  #wall
  /** @type {Map<number, Card>} */
  #cards = new Map()
  /** Those that were shown before another search. @type {Map<number, Card>} */
  #past = new Map()
  #want
  /** Asks for more when the end comes near; of the page's edge only some browsers can say how near, so it is the scroller's. */
  #atEnd = new IntersectionObserver(seen => { if (seen.some(each => each.isIntersecting)) this.#entries.more() }, { root: this.#scroll, rootMargin: `${MORE}px` })
  #stamp = -1
  #onlyStars = false
  #starred = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {View | null} */
  #view = null
  /** What cards, the full-size view and the stage ask. */
  doing
  /** What is to be done when the full-size view is closed, if it was not opened from a card. @type {(() => void) | undefined} */
  #closed

  /** @param {Store} store @param {(text: string) => void} insert */
  constructor(store, insert) {
    this.#store = store
    this.#insert = insert
    const { later } = this.#frames
    this.#want = thumbnails(marks => store.ask("thumbnails", { marks }), (mark, small) => this.#take(mark, small), later)
    this.doing = this.#doing()
    this.#entries = new Entries({
      later,
      page: before => this.#fetch("entries", { before }),
      changes: oldest => this.#fetch("changes", { oldest }),
      add: entry => this.#wall.append([this.#made(entry).element]),
      put: (entry, before) => this.#put(entry, before),
      replace: entry => this.#replace(entry),
      drop: id => this.#drop(id),
      star: ids => this.#cards.forEach((card, id) => { if (card.entry.starred !== ids.has(id)) card.star(ids.has(id)) }),
      settle: () => this.#wall.settle(),
      count: starred => this.#count(starred),
      clear: () => this.#clear(),
    })
    this.#wall = new Wall("History", {
      fill: card => this.#cardOf(card)?.fill(), want: card => this.#cardOf(card)?.want(), empty: card => this.#cardOf(card)?.empty(),
      later, calm: scrollSpeed(this.#scroll).calm,
    }, { root: this.#scroll, rootMargin: `${NEAR}px` })
    hear(this.#wall.element, card => this.#cardOf(card))
    this.#scroll.append(this.#wall.element, this.#empty, this.#end)
  }
  get elements() {
    return [h("div", { class: "sd-row sd-find" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "History"), this.search, this.#stars),
      this.#said, this.#late, this.#spoken, this.#scroll]
  }
  /** Show what there is, and what comes, until the signal. @param {AbortSignal} signal */
  begin(signal) {
    this.#atEnd.observe(this.#end)
    this.#entries.more() // not after the snapshot has come: that would be another way there and back
    this.#store.listen("filled", () => { if (this.#empty.childElementCount) this.#count(this.#starred) }, signal)
    this.#store.follow(({ history }) => {
      const isFirst = this.#stamp === -1
      if (history === this.#stamp) return
      this.#stamp = history
      if (!isFirst) this.#entries.update()
    }, signal)
    signal.addEventListener("abort", () => this.#close())
  }
  #close() {
    clearTimeout(this.#timer)
    this.#view?.close()
    this.#wall.clear()
    this.#atEnd.disconnect()
    this.#frames.clear()
  }

  // -- what is shown ------------------------------------------------------------------------------

  /** @param {string} mark */
  #of(mark) {
    const id = Number(mark.slice(1).split(".")[0])
    return this.#cards.get(id) ?? this.#past.get(id)
  }
  /** @param {Element} element */
  #cardOf(element) {
    return this.#cards.get(Number(/** @type {HTMLElement} */ (element).dataset.entry))
  }
  #sought() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#restart(), SEARCH_AFTER)
  }
  #filter() {
    this.#onlyStars = !this.#onlyStars
    this.#stars.setAttribute("aria-pressed", String(this.#onlyStars))
    this.#restart()
  }
  async #restart() {
    const restarted = this.#entries.restart()
    const before = this.#past
    await restarted
    if (this.#past === before) this.#past = new Map()
    const { shown, isWhole } = this.#entries
    this.#spoken.textContent = this.search.value ? `${shown.length}${isWhole ? "" : " or more"} found` : ""
  }
  #clear() {
    this.#past = new Map([...this.#past, ...this.#cards])
    this.#cards = new Map()
    this.#wall.clear()
  }
  /** @template {"entries" | "changes"} What @param {What} what @param {object} fields @returns {Promise<Answers[What] | undefined>} */
  async #fetch(what, fields) {
    try {
      const found = await this.#store.ask(what, { ...fields, words: this.search.value, stars: this.#onlyStars })
      if (what === "entries") this.#said.replaceChildren()
      return found
    } catch (error) {
      this.#said.replaceChildren(alarm(/** @type {Refusal} */ (error).told))
    }
  }
  /** A thumbnail has come. @param {string} mark @param {string | null} small */
  #take(mark, small) {
    this.#of(mark)?.take(mark, small)
    this.#view?.draw()
  }
  /** @param {Entry} entry @param {number} [place] */
  #made(entry, place) {
    const card = new Card(entry, this.doing, place)
    const before = this.#cards.get(entry.id) ?? this.#past.get(entry.id)
    if (before) card.inherit(before)
    this.#cards.set(entry.id, card)
    return card
  }
  /** @param {Entry} entry @param {Entry | undefined} before */
  #put(entry, before) {
    const card = this.#made(entry)
    this.#wall.put(card.element, before && this.#cards.get(before.id)?.element)
    card.fill() // at once, and its picture: it is what the person waits for
    card.want()
  }
  /** @param {Entry} entry */
  #replace(entry) {
    const old = this.#cards.get(entry.id)
    if (!old) return
    const focused = focusedIn(old.element)?.getAttribute("aria-label")
    const fresh = this.#made(entry, old.place)
    if (old.isFilled) {
      fresh.fill()
      fresh.want()
    }
    old.element.replaceWith(fresh.element)
    if (!focused) return
    const same = fresh.element.querySelector(`[aria-label="${CSS.escape(focused)}"]`)
    ;(same instanceof HTMLElement ? same : fresh.face).focus()
  }
  /** @param {number} id */
  #drop(id) {
    const old = this.#cards.get(id)
    const next = old && focusedIn(old.element) ? this.#wall.beside(old.element) : undefined
    this.#cards.delete(id)
    old?.element.remove()
    if (!next) return
    this.#cardOf(next)?.fill()
    next.querySelector("button")?.focus()
  }
  /** @param {number} starred how many have a star */
  #count(starred) {
    this.#starred = starred
    this.#stars.dataset.count = String(starred)
    this.#stars.hidden = !starred && !this.#onlyStars
    this.#empty.replaceChildren(...(this.#entries.shown.length ? [] : this.#nothing()))
    this.#atEnd.unobserve(this.#end) // it says so again if the end is in sight still
    this.#atEnd.observe(this.#end)
  }
  #nothing() {
    const words = this.search.value.trim()
    if (this.#onlyStars) return [h("p", {}, "Nothing here has a star.")]
    if (words) return [h("p", {}, `No prompt contains all of these words: ${words}`)]
    return this.#store.draft ? [] : invitation(this.#store, this.#insert) // the stage invites
  }

  // -- what is done with a picture or a request ---------------------------------------------------

  #doing() {
    /** Ask for something that a person wants, who is told if it has to wait. @type {Store["ask"]} */
    const ask = (what, fields) => this.#store.ask(what, fields, { late: this.#tellLate })
    return {
      ask,
      want: this.#want,
      picture: (/** @type {string} */ mark) => ask("picture", { mark }),
      copy: (/** @type {Entry} */ entry) => this.#copy(entry),
      download: async (/** @type {string} */ mark) => {
        const { buffers, media_type, name } = await ask("picture", { mark })
        saveFile(buffers[0], media_type, name)
      },
      draft: () => this.#store.draft,
      small: (/** @type {string} */ mark) => this.#of(mark)?.small(mark),
      speak: (/** @type {string} */ text) => { this.#spoken.textContent = text },
      view: (/** @type {Entry} */ entry, /** @type {number} */ place, /** @type {(() => void) | undefined} */ closed = undefined) => {
        this.#closed = closed
        this.#view = new View(entry, place, this.doing)
      },
      entries: () => this.#entries.shown,
      more: () => this.#entries.more(),
      closed: (/** @type {Entry} */ entry) => {
        this.#view = null
        if (this.#closed) this.#closed()
        else (this.#cards.get(entry.id)?.face ?? this.search).focus()
      },
    }
  }
  /** Put the cell that makes this into the notebook, or else onto the clipboard. @param {Entry} entry */
  async #copy(entry) {
    const { cell } = await this.#store.ask("code", { generation: entry.id }, { late: this.#tellLate })
    if (insertBelow(this.#store.model.widget_manager?.context?.model?.sharedModel, this.#scroll, cell)) return "The cell was inserted below."
    const isThere = await toClipboard(cell, this.#said)
    return isThere ? `The cell that makes ${entry.mark} is on the clipboard.` : "The cell is above the history: copy it from there."
  }
}
