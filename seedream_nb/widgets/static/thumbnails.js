// The thumbnails: asked for as their cards come near, and shown a few in each frame.
// @ts-check

import { inline } from "./bytes.js"

/** Thumbnails that are asked for at once: a screen's, so that the first are not kept waiting by the last. */
const THUMBNAILS = 12

/** Returns what asks for the thumbnail of a mark. `show` is called with its address when it is there, null where there is
 * none; the address is kept by what shows it alone, for of a thousand they would be 40 MB that each collection of the
 * script's garbage goes through. `later` does what can wait.
 * @param {(marks: string[]) => Promise<{marks: string[], buffers: ArrayBufferView[]}>} ask @param {(mark: string, address: string | null) => void} show
 * @param {(step: () => void) => Promise<void>} later @returns {(mark: string) => void} */
export function thumbnails(ask, show, later) {
  /** The last that came near first: who scrolls on does not wait for what was passed. @type {string[]} */
  let wanted = []
  /** What was asked for and is not shown yet. @type {Set<string>} */
  const coming = new Set()
  let asking = false

  /** @param {string} mark */
  function want(mark) {
    if (!coming.has(mark) && !wanted.includes(mark)) wanted.push(mark)
    if (wanted.length && !asking) fetch()
  }
  async function fetch() {
    asking = true
    await null // for the others that came near with it
    while (wanted.length) {
      const marks = wanted.splice(-THUMBNAILS)
      marks.forEach(mark => coming.add(mark))
      const found = await ask(marks).catch(() => null)
      if (found) marks.forEach(mark => later(() => take(mark, found.buffers[found.marks.indexOf(mark)])))
      else marks.forEach(mark => coming.delete(mark))
      if (!found) break
    }
    asking = false
  }
  /** @param {string} mark @param {ArrayBufferView | undefined} bytes */
  function take(mark, bytes) {
    coming.delete(mark)
    show(mark, bytes ? inline(bytes, "image/jpeg") : null)
  }
  return want
}
