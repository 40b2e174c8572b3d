// The wall: all cards of the history, in groups that the browser lays out and paints only while they are near.
// @ts-check

import { focusedIn, h } from "./dom.js"

/** Cards of a group: whole rows of 1, 2, 3, 4, 6 and 12 cards, the numbers of columns that the style sheet knows.
 * One grid of all cards, or a card that is skipped by itself, costs more in each frame the longer the history is. */
const GROUP = 12

/** What is done with a card of a group that comes near to what is in sight, and of one that goes; `later` does a step when
 * there is time for it, and `calm` waits while one scrolls too fast to see it.
 * @typedef {{
 *   fill: (card: Element) => void, want: (card: Element) => void, empty: (card: Element) => void,
 *   later: (step: () => void) => Promise<void>, calm: () => Promise<void>,
 * }} Doing */

/** A list of cards, which are filled and emptied in groups; an empty card is as high as a full one. The first group is always
 * full: the newest are there also for who comes to them in another way than by scrolling. Where the wall is not shown at all,
 * as in another tab, nothing is emptied. */
export class Wall {
  #doing
  #watch
  /** Groups that are near, or full all the same. @type {WeakSet<Element>} */
  #near = new WeakSet()

  /** @param {string} name @param {Doing} doing @param {IntersectionObserverInit} margin */
  constructor(name, doing, margin) {
    this.#doing = doing
    this.element = h("div", { class: "sd-wall", role: "list", "aria-label": name })
    this.#watch = new IntersectionObserver(seen => seen.forEach(each => this.#seen(each)), margin)
  }
  /** Put these after all others. @param {Element[]} cards */
  append(cards) {
    let group = this.element.lastElementChild
    for (const card of cards) {
      if (!group || group.children.length >= GROUP) group = this.#begin()
      group.append(card)
      this.#again(group)
    }
  }
  /** Put one before another, or at the end; `settle` is called when all are there.
   * @param {Element} card @param {Element | undefined} other */
  put(card, other) {
    if (other) other.before(card)
    else this.append([card])
  }
  /** Make each group as large as it should be again; what has the focus keeps it. */
  settle() {
    const focused = focusedIn(this.element)
    const all = [...this.element.children]
    all.forEach((group, place) => {
      while (group.children.length > GROUP) (all[place + 1] ??= this.#begin()).prepend(/** @type {Element} */ (group.lastElementChild))
      for (let from = place + 1; group.children.length < GROUP && from < all.length;) {
        const first = all[from].firstElementChild
        if (first) group.append(first)
        else from++
      }
      if (!group.children.length) {
        this.#watch.unobserve(group)
        group.remove()
      }
    })
    for (const group of this.element.children) this.#again(group)
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true })
  }
  /** The card after this one, or before it where it is the last. @param {Element} card @returns {Element | undefined} */
  beside(card) {
    const cards = [...this.element.children].flatMap(group => [...group.children])
    const place = cards.indexOf(card)
    return cards[place + 1] ?? cards[place - 1]
  }
  clear() {
    this.#watch.disconnect()
    this.#near = new WeakSet() // what waits is for nothing
    this.element.replaceChildren()
  }
  /** @param {IntersectionObserverEntry} seen */
  #seen({ target: group, isIntersecting, boundingClientRect }) {
    const { fill, want } = this.#doing
    if (isIntersecting) this.#come(group, card => { fill(card); want(card) })
    else if (group === this.element.firstElementChild) this.#come(group, fill)
    else if (boundingClientRect.height && !focusedIn(group)) this.#go(group)
  }
  /** @param {Element} group @param {(card: Element) => void} act */
  async #come(group, act) {
    this.#near.add(group)
    await this.#doing.calm()
    for (const card of group.children) this.#doing.later(() => { if (this.#near.has(card.parentElement ?? group)) act(card) })
  }
  /** @param {Element} group */
  #go(group) {
    this.#near.delete(group)
    for (const card of group.children) this.#doing.empty(card)
  }
  #begin() {
    const group = h("div", { class: "sd-group", role: "presentation" })
    this.element.append(group)
    this.#watch.observe(group)
    return group
  }
  /** Let it be said anew whether a group is near: another card is in it now. @param {Element} group */
  #again(group) {
    this.#watch.unobserve(group)
    this.#watch.observe(group)
  }
}
