// The gallery: the history as a wall of pictures, searched, and kept up to date.
// @ts-check

import { Card } from "./card.js"
import { doingOf } from "./doing.js"
import { alarm, h, icon } from "./dom.js"
import { Entries } from "./entries.js"
import { frameQueue } from "./frameQueue.js"
import { invitation } from "./invitation.js"
import { anyLate } from "./kernel.js"
import { openMenu } from "./menu.js"
import { heightKept, sizeSlider } from "./pictureSize.js"
import { linesOf } from "./refusal.js"
import { roving } from "./roving.js"
import { Selection } from "./selection.js"
import { SmallPictures } from "./smallPictures.js"
import { LATE } from "./text.js"
import { thumbnails } from "./thumbnails.js"
import { Undoing } from "./undoing.js"
import { View } from "./view.js"
import { Wall } from "./wall.js"
import { hear } from "./wallKeys.js"
/** @import { Answers, Counts, Entry, Refusal } from "./protocol.js" */
/** @import { Store } from "./store.js" */

const SEARCH_AFTER = 150
/** Pixels of the width of one that failed: it has no picture to show. */
const FAILED_WIDTH = 128
const HINT = "Arrow keys, Home, End, Page Up and Page Down move, Enter opens, Shift+F10 shows what can be done, Delete deletes."

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
  #failed = h("button", { type: "button", class: "sd-button", hidden: true, onclick: () => { this.doing.removeFailed().catch(this.#fail) } })
  #tools = h("div", { class: "sd-row sd-tools", role: "toolbar", "aria-label": "Tools of the history" })
  #renewTools
  #empty = h("div", { class: "sd-nothing" })
  #scroll = h("div", { class: "sd-scroll" })
  #said = h("div", {})
  #late = h("div", { class: "sd-hint" })
  #spoken = h("div", { role: "status", class: "sd-spoken" })
  #hint = h("div", { class: "sd-spoken" }, HINT)
  #store
  #insert
  #frames = frameQueue()
  #entries
  #wall
  #small = new SmallPictures()
  #want
  #selection
  #undoing
  /** Which picture of a series is chosen, where it is not the first. @type {Map<number, number>} */
  #turned = new Map()
  #stamp = -1
  #onlyStars = false
  /** What was restored, and is to have the focus. @type {number | null} */
  #awaited = null
  /** @type {Counts} */
  #counts = { starred: 0, failed: 0 }
  /** Marks of what stands elsewhere on the panel: what has failed and was not dismissed. */
  #elsewhere = ""
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {View | null} */
  #view = null
  /** The number of what was looked at last. */
  #looked = 0
  /** What is to have the focus when the view is closed, where it was not opened from a card. @type {(() => void) | undefined} */
  #closed
  /** What cards, the full-size view and the stage ask. */
  doing

  /** @param {Store} store @param {(text: string) => void} insert */
  constructor(store, insert) {
    this.#store = store
    this.#insert = insert
    const { later } = this.#frames
    this.#want = thumbnails((marks, side) => store.ask("thumbnails", { marks, side }), (mark, small, side) => this.#take(mark, small, side), later)
    this.#undoing = new Undoing({ restore: ids => this.#restore(ids), fail: this.#fail, speak: text => this.#speak(text) })
    this.doing = this.#doing()
    this.#selection = new Selection({
      entries: () => this.#entries.shown, changed: () => this.#chosen(), speak: this.doing.speak, fail: this.#fail,
      remove: this.doing.removeAll, star: this.doing.starAll, download: this.doing.downloadEach,
    })
    this.#entries = new Entries({
      page: before => this.#fetch("entries", { before }), changes: oldest => this.#fetch("changes", { oldest }),
      show: () => this.#show(), count: counts => this.#count(counts), clear: () => this.#wall.clear(),
    })
    this.#wall = new Wall("History", this.#scroll, heightKept(), { card: id => this.#card(id), more: () => this.#entries.more(), later })
    this.#hint.id = `${this.#wall.element.id = `sd-wall-${Math.random().toString(36).slice(2)}`}-hint`
    this.#wall.element.setAttribute("aria-describedby", this.#hint.id)
    hear(this.#wall, { selection: this.#selection, undo: () => { this.#undoing.undo() }, remove: ids => this.#remove(ids) })
    this.#scroll.append(this.#wall.element, this.#empty)
    this.#tools.append(this.#stars, this.#failed, this.#selection.button)
    this.#renewTools = roving(this.#tools)
    this.#renewTools()
  }
  get elements() {
    const slider = sizeSlider(height => this.#wall.resize(height))
    return [h("div", { class: "sd-row sd-find" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "History"), this.search, this.#tools),
      this.#selection.bar, this.#undoing.element, this.#said, this.#late, this.#spoken, this.#hint, this.#scroll, slider] // the slider stands above, and is reached after the pictures
  }
  /** Show what there is, and what comes, until the signal. @param {AbortSignal} signal */
  begin(signal) {
    this.#entries.more() // not after the snapshot has come: that would be another way there and back
    this.#store.listen("filled", () => { if (this.#empty.childElementCount) this.#count(this.#counts) }, signal)
    this.#store.follow(({ history, jobs, form }) => {
      const isFirst = this.#stamp === -1
      const elsewhere = form ? jobs.filter(({ over }) => over).map(({ mark }) => mark).join(" ") : ""
      if (elsewhere !== this.#elsewhere) {
        this.#elsewhere = elsewhere
        this.#show()
      }
      if (history === this.#stamp) return
      this.#stamp = history
      if (!isFirst) this.#entries.update()
    }, signal)
    signal.addEventListener("abort", () => this.#close())
  }
  #close() {
    clearTimeout(this.#timer)
    this.#view?.close()
    this.#wall.close()
    this.#frames.clear()
  }

  // -- what is shown ------------------------------------------------------------------------------

  /** Those that have their place on the wall. */
  get #there() {
    const elsewhere = new Set(this.#elsewhere.split(" "))
    return this.#entries.shown.filter(({ mark, pictures }) => pictures.length || !elsewhere.has(mark))
  }
  #show() {
    const there = this.#there
    for (const entry of there) this.#renew(entry)
    const isHeld = this.#wall.element.contains(document.activeElement)
    this.#wall.show(there.map(brickOf), this.#entries.isWhole)
    if (isHeld && !there.length) this.search.focus()
    this.#selection.update()
    this.#welcome()
  }
  /** Give the focus to what was restored, once it is there. */
  #welcome() {
    const place = this.#awaited === null ? -1 : this.#wall.placeOf(this.#awaited)
    if (place < 0) return
    this.#awaited = null
    this.#wall.focus(place)
  }
  /** Let a card that is there show what has changed of its entry. @param {Entry} entry */
  #renew(entry) {
    const card = this.#wall.card(entry.id)
    if (!card || card.entry === entry) return
    if (JSON.stringify({ ...card.entry, starred: entry.starred }) === JSON.stringify(entry)) card.renew(entry)
    else this.#wall.replace(entry.id)
  }
  /** @param {number} id */
  #card(id) {
    const entry = /** @type {Entry} */ (this.#entries.shown.find(one => one.id === id))
    const card = new Card(entry, this.doing, this.#turned.get(id))
    card.isChosen = this.#selection.has(id)
    return card
  }
  #chosen() {
    for (const card of this.#wall.cards) card.be(card.entry.id === this.#wall.current, this.#selection.has(card.entry.id))
    this.#wall.element.classList.toggle("sd-selecting", this.#selection.isOn)
  }
  /** A thumbnail has come. @param {string} mark @param {string | null} small @param {number} side */
  #take(mark, small, side) {
    this.#small.put(mark, small, side)
    this.#wall.card(Number(mark.slice(1).split(".")[0]))?.picture()
    this.#view?.draw()
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
    await this.#entries.restart()
    const { shown, isWhole } = this.#entries
    this.#spoken.textContent = this.search.value ? `${shown.length}${isWhole ? "" : " or more"} found` : ""
  }
  /** @template {"entries" | "changes"} What @param {What} what @param {object} fields @returns {Promise<Answers[What] | undefined>} */
  async #fetch(what, fields) {
    try {
      const found = await this.#store.ask(what, { ...fields, words: this.search.value, stars: this.#onlyStars })
      if (what === "entries") this.#said.replaceChildren()
      return found
    } catch (error) {
      this.#fail(error)
    }
  }
  /** @param {Counts} counts */
  #count(counts) {
    this.#counts = counts
    const { starred, failed } = counts
    this.#stars.dataset.count = String(starred)
    this.#stars.hidden = !starred && !this.#onlyStars
    this.#failed.hidden = !failed
    this.#failed.textContent = `Delete all failed (${failed})`
    this.#renewTools()
    this.#empty.replaceChildren(...(this.#entries.shown.length ? [] : this.#nothing()))
  }
  #nothing() {
    const words = this.search.value.trim()
    if (this.#onlyStars) return [h("p", {}, "Nothing here has a star.")]
    if (words) return [h("p", {}, `No prompt contains all of these words: ${words}`)]
    return this.#store.draft ? [] : invitation(this.#store, this.#insert) // the stage invites
  }

  // -- what is done with a picture or a request ---------------------------------------------------

  /** @param {string} text */
  #speak(text) {
    this.#spoken.textContent = text
  }
  #fail = (/** @type {unknown} */ error) => {
    this.#said.replaceChildren(alarm(linesOf(/** @type {Refusal} */ (error))))
  }
  #doing() {
    const late = anyLate(isLate => { this.#late.textContent = isLate ? LATE : "" })
    return {
      ...doingOf({ store: this.#store, place: this.#scroll, said: this.#said, undoing: this.#undoing, late }),
      small: (/** @type {string} */ mark) => this.#small.get(mark),
      has: (/** @type {string} */ mark, /** @type {number} */ side) => this.#small.has(mark, side),
      want: this.#want,
      speak: (/** @type {string} */ text) => this.#speak(text),
      turned: (/** @type {Entry} */ { id }, /** @type {number} */ place) => { this.#turned.set(id, place) },
      menu: openMenu,
      view: (/** @type {Entry} */ entry, /** @type {number} */ place, /** @type {(() => void) | undefined} */ closed = undefined) => {
        this.#closed = closed
        this.#look(entry, place)
        this.#view = new View(entry, place, this.doing)
      },
      entries: () => this.#entries.shown,
      more: () => this.#entries.more(),
      closed: (/** @type {Entry} */ entry) => {
        if (entry.id !== this.#looked) this.#look(entry, this.#turned.get(entry.id) ?? 0)
        this.#back(entry)
      },
      undoing: () => this.#undoing.element,
      details: (/** @type {Entry} */ { id }) => this.#store.ask("details", { generation: id }),
    }
  }
  /** Let what is looked at stand on the stage afterwards. @param {Entry} entry @param {number} at */
  #look(entry, at) {
    this.#looked = entry.id
    this.#store.change("staged", { entry, at })
  }
  /** The view was closed at an entry: that is where one is. @param {Entry} entry */
  #back({ id }) {
    this.#view = null
    if (this.#closed) this.#closed()
    else if (this.#wall.placeOf(id) >= 0) this.#wall.focus(this.#wall.placeOf(id))
    else if (this.#wall.current !== undefined) this.#wall.focus(this.#wall.placeOf(this.#wall.current))
    else this.search.focus()
  }
  /** Delete those that are chosen, or this one. @param {number} id */
  #remove(id) {
    const { chosen, isOn } = this.#selection
    const entries = isOn && chosen.length ? chosen : this.#entries.shown.filter(entry => entry.id === id && !entry.runs)
    if (entries.length) this.doing.removeAll(entries).then(() => { if (isOn) this.#selection.end() }, this.#fail)
  }
  /** @param {number[]} ids */
  async #restore(ids) {
    await this.#store.ask("restore", { generations: ids })
    this.#awaited = this.#view ? null : Math.max(...ids)
    await this.#entries.update()
    this.#welcome()
  }
}

/** The shape that an entry has on the wall. @param {Entry} entry */
function brickOf({ id, pictures, ratio, runs }) {
  const [first] = pictures
  return { id, ratio: first ? first.width / first.height : ratio, fixed: first || runs ? undefined : FAILED_WIDTH }
}
