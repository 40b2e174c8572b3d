// The wall: the cards of the history in rows of equal height, of which only those near to what is in sight are on the page.
// @ts-check

import { focusedIn, h } from "./dom.js"
import { rowAt, rowOf, rowsOf } from "./rows.js"
import { scrollSpeed } from "./scrollSpeed.js"
/** @import { Card } from "./card.js" */
/** @import { Shape, WallRow } from "./rows.js" */

/** Pixels beyond the edge within which cards are there, and at which more is asked for. */
const NEAR_PIXELS = 600
const MORE_PIXELS = 1200
/** Pixels between pictures, and how narrow one may be: three of a card's buttons beside each other. */
const GAP = 8
const NARROW = 104
/** Pixels below each row: a line of the prompt, and the gap. */
const CAPTION_LINE = 22
/** Pixels of a page that has not been laid out yet: nothing is put there. */
const NO_ROOM = 40

/** What stands on the wall. @typedef {Shape & {id: number}} Brick */
/** What makes a card, and hears that the end comes near; `later` does a step when there is time for it.
 * @typedef {{card: (id: number) => Card, more: () => void, later: (step: () => void) => Promise<void>}} Doing */

/** A list of cards, each at its place, which is known before it is there. Where the wall is not shown at all, as in another
 * tab, nothing is done. */
export class Wall {
  element
  /** @type {WallRow[]} */
  rows = []
  /** @type {readonly Brick[]} */
  bricks = []
  /** @type {Map<number, Card>} */
  #cards = new Map()
  /** Places by ids. @type {Map<number, number>} */
  #places = new Map()
  /** What Tab comes to. */
  #current = -1
  #scroll
  #doing
  #height
  #width = 0
  #isWhole = false
  #isDue = false
  #watch = new ResizeObserver(() => this.#resized())
  #calm

  /** @param {string} name @param {HTMLElement} scroll what it scrolls in @param {number} height of a row, as wished @param {Doing} doing */
  constructor(name, scroll, height, doing) {
    this.element = h("div", { class: "sd-wall", role: "list", "aria-label": name })
    this.#scroll = scroll
    this.#height = height
    this.#doing = doing
    this.#calm = scrollSpeed(scroll).calm
    scroll.addEventListener("scroll", () => this.#due(), { passive: true })
    this.#watch.observe(scroll)
  }
  close() {
    this.#watch.disconnect()
    this.clear()
  }
  /** The card of an id, while it is there. @param {number} id */
  card(id) {
    return this.#cards.get(id)
  }
  get cards() {
    return this.#cards.values()
  }
  /** The id that Tab comes to. */
  get current() {
    return this.bricks[this.#current]?.id
  }
  /** @param {number} id */
  placeOf(id) {
    return this.#places.get(id) ?? -1
  }
  /** Show these, and none else. @param {readonly Brick[]} bricks @param {boolean} isWhole whether there are no more */
  show(bricks, isWhole) {
    const focused = focusedIn(this.element)?.closest("[data-entry]")
    const [current, place] = [this.current, this.#current]
    const kept = this.#anchor()
    const same = this.#unchanged(bricks)
    this.bricks = bricks
    this.#isWhole = isWhole
    this.#places = new Map(bricks.map(({ id }, at) => [id, at]))
    const moved = current === undefined ? undefined : this.#places.get(current)
    this.#current = moved ?? Math.min(Math.max(place, 0), bricks.length - 1)
    this.#width ||= this.element.clientWidth
    this.#layOut(same)
    this.#keep(kept)
    const id = focused && Number(/** @type {HTMLElement} */ (focused).dataset.entry)
    this.#draw()
    if (typeof id === "number" && !this.#places.has(id)) this.focus(this.#current)
  }
  /** Have rows of another height. @param {number} height */
  resize(height) {
    const kept = this.#anchor()
    this.#height = height
    this.#layOut(0)
    this.#keep(kept)
    this.#draw()
    this.#sharpen()
  }
  /** Make a card anew, for it is another. @param {number} id */
  replace(id) {
    const old = this.#cards.get(id)
    if (!old) return
    const label = focusedIn(old.element)?.getAttribute("aria-label")
    this.#cards.delete(id)
    const fresh = this.#put(this.placeOf(id))
    if (old.isFilled) fresh.fill()
    if (old.isFilled) fresh.want()
    old.element.replaceWith(fresh.element)
    if (!label) return
    const same = fresh.element.querySelector(`[aria-label="${CSS.escape(label)}"]`)
    ;(same instanceof HTMLElement ? same : fresh.face).focus()
  }
  /** Let Tab come to one. @param {number} place */
  mark(place) {
    if (place === this.#current || !this.bricks[place]) return
    const before = this.card(this.current)
    this.#current = place
    before?.be(false, before.isChosen)
    const now = this.card(this.current)
    now?.be(true, now.isChosen)
  }
  /** Go to one, wherever it is. @param {number} place */
  focus(place) {
    if (!this.bricks[place]) return
    this.mark(place)
    this.reveal(place)
    this.#draw()
    const card = this.card(this.current)
    card?.face.focus({ preventScroll: true })
    card?.element.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
  /** Scroll as far as is needed to see one. @param {number} place */
  reveal(place) {
    const row = this.rows[rowOf(this.rows, place)]
    if (!row) return
    const { top, height } = row
    const { scrollTop, clientHeight } = this.#scroll
    const low = top + height + CAPTION_LINE + GAP - clientHeight
    if (scrollTop > top) this.#scroll.scrollTop = top
    else if (scrollTop < low) this.#scroll.scrollTop = low
  }
  /** How many rows are in sight. */
  get page() {
    const { scrollTop, clientHeight } = this.#scroll
    return Math.max(1, rowAt(this.rows, scrollTop + clientHeight - CAPTION_LINE) - rowAt(this.rows, scrollTop))
  }
  clear() {
    for (const card of this.#cards.values()) card.element.remove()
    this.#cards.clear()
    this.bricks = []
    this.rows = []
    this.#places.clear()
    this.#current = -1
    this.#scroll.scrollTop = 0
    this.element.style.height = "0"
  }

  // -- places -------------------------------------------------------------------------------------

  /** How many of these are at the same place as before, each of the same shape. @param {readonly Brick[]} bricks */
  #unchanged(bricks) {
    const most = Math.min(bricks.length, this.bricks.length)
    for (let at = 0; at < most; at++) {
      const [one, other] = [bricks[at], this.bricks[at]]
      if (one.id !== other.id || one.ratio !== other.ratio || one.fixed !== other.fixed) return at
    }
    return most
  }
  /** Find all places, but for those of rows before the one that this place is in. @param {number} from */
  #layOut(from) {
    if (this.#width < NO_ROOM) return
    const row = from > 0 && this.rows.length ? rowOf(this.rows, from - 1) : 0
    const { start = 0, top = 0 } = this.rows[row] ?? {}
    const room = { width: this.#width, height: this.#height, gap: GAP, narrow: NARROW }
    this.rows = [...this.rows.slice(0, row), ...rowsOf(this.bricks, room, CAPTION_LINE + GAP, start, top)]
    const last = this.rows.at(-1)
    this.element.style.height = `${last ? last.top + last.height + CAPTION_LINE : 0}px`
  }
  /** What is in sight first, and how far below the edge. */
  #anchor() {
    const { scrollTop } = this.#scroll
    const row = this.rows[rowAt(this.rows, scrollTop)]
    return scrollTop > 0 && row ? { id: this.bricks[row.start].id, away: row.top - scrollTop } : null
  }
  /** @param {{id: number, away: number} | null} kept */
  #keep(kept) {
    const place = kept && this.#places.get(kept.id)
    if (kept && place !== null && place !== undefined && this.rows.length) this.#scroll.scrollTop = this.rows[rowOf(this.rows, place)].top - kept.away
  }
  #resized() {
    const { clientWidth } = this.element
    if (clientWidth < NO_ROOM) return
    if (clientWidth !== this.#width) {
      const kept = this.#anchor()
      this.#width = clientWidth
      this.#layOut(0)
      this.#keep(kept)
    }
    this.#draw()
    this.#sharpen()
  }

  // -- what is there ------------------------------------------------------------------------------

  #due() {
    if (this.#isDue) return
    this.#isDue = true
    requestAnimationFrame(() => {
      this.#isDue = false
      this.#draw()
    })
  }
  /** Put what is near on the page, and take away what is not. */
  #draw() {
    const { clientHeight, scrollTop } = this.#scroll
    if (!this.bricks.length) this.#cards.forEach((card, id) => this.#take(id, card))
    if (!clientHeight || !this.rows.length) return this.#ask()
    const [first, last] = [rowAt(this.rows, scrollTop - NEAR_PIXELS), rowAt(this.rows, scrollTop + clientHeight + NEAR_PIXELS)]
    const [from, to] = [this.rows[first].start, this.rows[last].end]
    for (const [id, card] of this.#cards) {
      const place = this.#places.get(id)
      if (place === undefined || ((place < from || place >= to) && !this.#stays(card, place))) this.#take(id, card)
    }
    for (let place = from; place < to; place++) if (!this.#cards.has(this.bricks[place].id)) this.#put(place)
    if (this.#current >= 0 && !this.card(this.current)) this.#put(this.#current)
    this.#order()
    this.#fill()
    this.#ask()
  }
  /** Whether a card that is far is needed all the same. @param {Card} card @param {number} place */
  #stays(card, place) {
    return place === this.#current || card.isHeard || focusedIn(card.element) !== null
  }
  /** @param {number} id @param {Card} card */
  #take(id, card) {
    card.element.remove()
    this.#cards.delete(id)
  }
  /** @param {number} place */
  #put(place) {
    const { id } = this.bricks[place]
    const card = this.#doing.card(id)
    this.#cards.set(id, card)
    card.be(place === this.#current, card.isChosen)
    this.#stand(card, place)
    return card
  }
  /** @param {Card} card @param {number} place */
  #stand(card, place) {
    const { start, top, height, lefts, widths } = this.rows[rowOf(this.rows, place)]
    card.stand(lefts[place - start], top, widths[place - start], height, CAPTION_LINE)
    card.count(place, this.#isWhole ? this.bricks.length : -1)
  }
  /** Let them stand on the page in their order, each at its place. What has the focus is not moved: it would lose it. */
  #order() {
    const cards = [...this.#cards].map(([id, card]) => ({ card, place: this.placeOf(id) })).sort((a, b) => a.place - b.place)
    const focused = focusedIn(this.element)
    /** @type {Element | null} */
    let next = null
    for (const { card, place } of cards.reverse()) {
      this.#stand(card, place)
      const { element } = card
      if (element.parentElement !== this.element || (element.nextElementSibling !== next && !element.contains(focused))) this.element.insertBefore(element, next)
      next = element
    }
  }
  /** Fill what is there, once one has come to where one wants to be. */
  async #fill() {
    const empty = [...this.#cards.values()].filter(card => !card.isFilled)
    if (!empty.length) return
    await this.#calm()
    for (const card of empty) {
      this.#doing.later(() => {
        if (card.isFilled || this.#cards.get(card.entry.id) !== card) return
        card.fill()
        card.want()
      })
    }
  }
  /** Ask for larger pictures, where they are shown larger now. */
  #sharpen() {
    for (const card of this.#cards.values()) if (card.isFilled) card.want()
  }
  #ask() {
    const { clientHeight, scrollTop } = this.#scroll
    const last = this.rows.at(-1)
    if (clientHeight && !this.#isWhole && this.bricks.length && last && last.top - scrollTop - clientHeight < MORE_PIXELS) this.#doing.more()
  }
}
