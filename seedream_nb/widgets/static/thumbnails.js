// The thumbnails: asked for as their cards come near, and shown a few in each frame.
// @ts-check

import { inline } from "./bytes.js"

/** Thumbnails that are asked for at once: a screen's, so that the first are not kept waiting by the last. Of larger ones
 * fewer, for no message may be large. */
const THUMBNAILS = 12
const USUAL_SIDE = 320

/** Returns what asks for the thumbnail of a mark, of this longest side in pixels. `show` is called with its address when it is
 * there, null where there is none; the address is kept by what shows it alone. `later` does what can wait.
 * @param {(marks: string[], side: number) => Promise<{marks: string[], buffers: ArrayBufferView[]}>} ask
 * @param {(mark: string, address: string | null, side: number) => void} show
 * @param {(step: () => void) => Promise<void>} later @returns {(mark: string, side?: number) => void} */
export function thumbnails(ask, show, later) {
  /** The last that came near first: who scrolls on does not wait for what was passed. @type {Map<string, number>} */
  const wanted = new Map()
  /** What was asked for and is not shown yet. @type {Map<string, number>} */
  const coming = new Map()
  let asking = false

  /** @param {string} mark @param {number} [side] */
  function want(mark, side = USUAL_SIDE) {
    if ((coming.get(mark) ?? 0) < side && (wanted.get(mark) ?? 0) < side) wanted.set(mark, side)
    if (wanted.size && !asking) fetch()
  }
  /** The last that are wanted, all of one side. @returns {[string[], number]} */
  function next() {
    const all = [...wanted]
    const side = all[all.length - 1][1]
    const most = Math.max(1, Math.floor(THUMBNAILS * (USUAL_SIDE / side) ** 2))
    const marks = all.filter(one => one[1] === side).slice(-most).map(([mark]) => mark)
    for (const mark of marks) wanted.delete(mark)
    return [marks, side]
  }
  async function fetch() {
    asking = true
    await null // for the others that came near with it
    while (wanted.size) {
      const [marks, side] = next()
      marks.forEach(mark => coming.set(mark, side))
      const found = await ask(marks, side).catch(() => null)
      if (found) marks.forEach(mark => later(() => take(mark, found.buffers[found.marks.indexOf(mark)], side)))
      else marks.forEach(mark => coming.delete(mark))
      if (!found) break
    }
    asking = false
  }
  /** @param {string} mark @param {ArrayBufferView | undefined} bytes @param {number} side */
  function take(mark, bytes, side) {
    if (coming.get(mark) === side) coming.delete(mark)
    show(mark, bytes ? inline(bytes, "image/jpeg") : null, side)
  }
  return want
}
