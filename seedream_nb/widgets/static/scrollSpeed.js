// The speed of a scroll: what rushes by faster than one can see is not worth making.
// @ts-check

/** Pixels in a millisecond beyond which nothing is seen any more: a card is whole in sight for a quarter of a second then. */
const RUSH = 2
/** Milliseconds of a frame; some clocks go in steps that are longer. */
const FRAME = 16
/** Milliseconds after a rush in which it may go on. */
const BREATH = 100

/** What is scrolled: of an element what of it is used.
 * @typedef {{scrollTop: number, addEventListener: (name: "scroll", act: () => void, options: {passive: true}) => void}} Scrolled */
/** @typedef {{now?: () => number, wait?: (milliseconds: number) => Promise<unknown>}} Clock */

/** Watch the scrolling of an element. `calm` keeps its promise at once while one scrolls as one reads, else when one has
 * come to where one wants to be.
 * @param {Scrolled} element @param {Clock} [clock] */
export function scrollSpeed(element, { now = () => performance.now(), wait = milliseconds => new Promise(done => setTimeout(done, milliseconds)) } = {}) {
  let end = now()
  let top = element.scrollTop
  let last = now()
  element.addEventListener("scroll", () => {
    const moment = now()
    if (Math.abs(element.scrollTop - top) > RUSH * Math.max(moment - last, FRAME)) end = moment + BREATH
    top = element.scrollTop
    last = moment
  }, { passive: true })

  async function calm() {
    for (let left; (left = end - now()) > 0;) await wait(left)
  }
  return { calm }
}
