// A queue of work that can wait, a little in each frame: done at once, it would be seen to hold up the scrolling.
// @ts-check

/** Milliseconds of a frame that may go to it. The browser needs the rest, to lay out and paint what was done. */
const SPENT = 4

/** A queue of such work; `later` puts a step at its end, and keeps the promise when that was done.
 * @param {{now?: () => number, frame?: (step: () => void) => void}} [clock] */
export function frameQueue({ now = () => performance.now(), frame = step => { requestAnimationFrame(step) } } = {}) {
  /** @type {(() => void)[]} */
  let waiting = []
  let isRunning = false

  function some() {
    const end = now() + SPENT
    do waiting.shift()?.()
    while (waiting.length && now() < end)
    isRunning = waiting.length > 0
    if (isRunning) frame(some)
  }
  /** @param {() => void} step @returns {Promise<void>} */
  function later(step) {
    return new Promise((done, fail) => {
      waiting.push(() => {
        try {
          done(step())
        } catch (error) {
          fail(error)
        }
      })
      if (!isRunning) frame(some)
      isRunning = true
    })
  }
  return { later, clear: () => { waiting = [] } }
}
