// The wall: all cards of the history, in groups that the browser lays out and paints only while they are near.
// @ts-check

import { h } from "./common.js"

/** Cards of a group: whole rows of 1, 2, 3, 4, 6 and 12 cards, the numbers of columns that the style sheet knows.
 * One grid of all cards, or a card that is skipped by itself, costs more in each frame the longer the history is. */
const GROUP = 12

/** What is done with a card of a group that comes near to what is in sight, and of one that goes.
 * @typedef {{fill: (card: Element) => void, want: (card: Element) => void, empty: (card: Element) => void}} Doing */

/** When that is done: `later` does a step when there is time for it, and `calm` waits while one scrolls too fast to see it.
 * @typedef {{later: (step: () => void) => Promise<void>, calm: () => Promise<void>}} When */

/** A list of cards, which are filled and emptied in groups; an empty card is as high as a full one. The first group is always
 * full: the newest are there also for who comes to them in another way than by scrolling. Where the wall is not shown at all,
 * as in another tab, nothing is emptied.
 * @param {string} name @param {Doing} doing @param {When} when @param {IntersectionObserverInit} margin */
export function wall(name, { fill, want, empty }, { later, calm }, margin) {
  const element = h("div", { class: "sd-wall", role: "list", "aria-label": name })
  /** Groups that are near, or full all the same. @type {WeakSet<Element>} */
  let near = new WeakSet()
  const watch = new IntersectionObserver(seen => {
    for (const { target: group, isIntersecting, boundingClientRect } of seen) {
      if (isIntersecting) come(group, card => { fill(card); want(card) })
      else if (group === element.firstElementChild) come(group, fill)
      else if (boundingClientRect.height && !group.contains(document.activeElement)) go(group)
    }
  }, margin)
  /** @param {Element} group @param {(card: Element) => void} act */
  async function come(group, act) {
    near.add(group)
    await calm()
    for (const card of group.children) later(() => { if (near.has(card.parentElement ?? group)) act(card) })
  }
  /** @param {Element} group */
  function go(group) {
    near.delete(group)
    for (const card of group.children) empty(card)
  }
  const groups = () => /** @type {HTMLElement[]} */ ([...element.children])

  function begin() {
    const group = h("div", { class: "sd-group", role: "presentation" })
    element.append(group)
    watch.observe(group)
    return group
  }
  /** Let it be said anew whether a group is near: another card is in it now. @param {Element} group */
  function again(group) {
    watch.unobserve(group)
    watch.observe(group)
  }
  /** Put these after all others. @param {Element[]} cards */
  function append(cards) {
    let group = element.lastElementChild
    for (const each of cards) {
      if (!group || group.children.length >= GROUP) group = begin()
      group.append(each)
      again(group)
    }
  }
  /** Put one before another, or at the end; `settle` is called when all are there.
   * @param {Element} card @param {Element | undefined} other */
  function put(card, other) {
    if (other) other.before(card)
    else append([card])
  }
  /** Make each group as large as it should be again; what has the focus keeps it. */
  function settle() {
    const focused = element.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null
    const all = groups()
    all.forEach((group, place) => {
      while (group.children.length > GROUP) (all[place + 1] ??= begin()).prepend(/** @type {Element} */ (group.lastElementChild))
      for (let from = place + 1; group.children.length < GROUP && from < all.length;) {
        const first = all[from].firstElementChild
        if (first) group.append(first)
        else from++
      }
      if (!group.children.length) {
        watch.unobserve(group)
        group.remove()
      }
    })
    groups().forEach(again)
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true })
  }
  /** The card after this one, or before it where it is the last. @param {Element} card */
  function beside(card) {
    const cards = groups().flatMap(group => [...group.children])
    const place = cards.indexOf(card)
    return cards[place + 1] ?? cards[place - 1]
  }
  function clear() {
    watch.disconnect()
    near = new WeakSet() // what waits is for nothing
    element.replaceChildren()
  }
  return { element, append, put, settle, beside, clear }
}
