// A row of buttons that is one Tab stop: the arrows go from one to the next.
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
