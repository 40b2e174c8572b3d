// Buttons that are one Tab stop: the arrows go from one to the next.
// @ts-check

import { stop } from "./dom.js"

/** Let the arrows, Home and End go through the buttons of a toolbar; only the last that had the focus is reached by Tab.
 * Returns what is to be called when others are shown. @param {HTMLElement} bar */
export function roving(bar) {
  const all = () => /** @type {HTMLElement[]} */ ([...bar.querySelectorAll("button")]).filter(each => !each.hidden)
  /** The one that had the focus. @type {HTMLElement | undefined} */
  let last
  /** @param {Element | undefined} one */
  function mark(one) {
    for (const each of bar.querySelectorAll("button")) each.tabIndex = each === one ? 0 : -1
  }
  function renew() {
    const shown = all()
    mark(shown.find(each => each === last) ?? shown[0])
  }
  bar.addEventListener("focusin", event => {
    last = /** @type {HTMLElement} */ (event.target)
    mark(last)
  })
  bar.addEventListener("keydown", event => {
    const shown = all()
    const at = shown.indexOf(/** @type {HTMLElement} */ (event.target))
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: shown.length - 1 }[event.key]
    if (at < 0 || to === undefined) return
    stop(event)
    shown[(to + shown.length) % shown.length].focus()
  })
  return renew
}

/** Let a list of items with buttons be one Tab stop with the button above it, whatever comes and goes: up and down go from item
 * to item, left and right through the buttons of one, Escape back to its first. A button that uses the arrows itself keeps them.
 * @param {HTMLElement} list @param {HTMLButtonElement} above */
export function rovingList(list, above) {
  const items = () => [[above], ...[...list.children].map(item => [...item.querySelectorAll("button")])]
  /** @type {HTMLButtonElement | undefined} */
  let last
  function mark() {
    const all = items().flat()
    const one = all.find(each => each === last) ?? all[0]
    for (const each of all) each.tabIndex = each === one ? 0 : -1
  }
  new MutationObserver(mark).observe(list, { childList: true })
  /** @param {Event} event */
  function here(event) {
    last = /** @type {HTMLButtonElement} */ (event.target)
    mark()
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    const all = items()
    const row = all.findIndex(buttons => buttons.some(each => each === event.target))
    if (row < 0) return
    const column = all[row].findIndex(each => each === event.target)
    const to = {
      ArrowUp: all[row - 1]?.[column], ArrowDown: all[row + 1]?.[column], ArrowLeft: all[row][column - 1] ?? all[row - 1]?.at(-1),
      ArrowRight: all[row][column + 1] ?? all[row + 1]?.[0], Home: all[0][0], End: all.at(-1)?.[0], Escape: all[row][0],
    }[event.key]
    if (!to || to === event.target) return
    stop(event)
    to.focus()
  }
  for (const part of [list, above]) {
    part.addEventListener("focusin", here)
    part.addEventListener("keydown", key)
  }
}
