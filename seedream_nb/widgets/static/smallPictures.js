// The small pictures of the history that have come: as many as one looks at, and no more than there is room for.
// @ts-check

/** Characters of all addresses together: some hundred pictures of a fine screen. More would be gone through in each
 * collection of the scripts' garbage. */
const MOST_CHARACTERS = 32_000_000
/** Pixels of the longest side that are made: each is made once, so they are few. */
const SIDES = [320, 640, 1024]
/** How much smaller than its place a picture may be without being seen to be. */
const ENOUGH = 0.9

/** The smallest side that is sharp enough. @param {number} pixels of the screen */
export function sideFor(pixels) {
  return SIDES.find(side => side >= ENOUGH * pixels) ?? SIDES[SIDES.length - 1]
}

export class SmallPictures {
  /** The last that was used stands last. @type {Map<string, {address: string | null, side: number}>} */
  #known = new Map()
  #size = 0
  #most

  /** @param {number} [most] */
  constructor(most = MOST_CHARACTERS) {
    this.#most = most
  }
  /** The address of a small picture; null where there is none, nothing while it is not known. @param {string} mark */
  get(mark) {
    const known = this.#known.get(mark)
    if (!known) return undefined
    this.#known.delete(mark)
    this.#known.set(mark, known)
    return known.address
  }
  /** Whether a small picture is there that is large enough; of one that is gone there is none. @param {string} mark @param {number} side */
  has(mark, side) {
    const known = this.#known.get(mark)
    return known !== undefined && (known.address === null || known.side >= side)
  }
  /** @param {string} mark @param {string | null} address @param {number} side */
  put(mark, address, side) {
    this.drop(mark)
    this.#known.set(mark, { address, side })
    this.#size += address?.length ?? 0
    for (const oldest of this.#known.keys()) {
      if (this.#size <= this.#most || oldest === mark) break
      this.drop(oldest)
    }
  }
  /** @param {string} mark */
  drop(mark) {
    this.#size -= this.#known.get(mark)?.address?.length ?? 0
    this.#known.delete(mark)
  }
}
