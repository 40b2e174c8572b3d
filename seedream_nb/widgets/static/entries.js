// The entries that a page shows of the history: fetched in pages, and kept up to date.
// @ts-check

/** @import { Changes, Counts, Entry, Page } from "./protocol.js" */

/** How the entries that a page shows become those that there are: which go, which are new, and whether too many are new
 * to be put there one by one.
 * @param {number[]} shown ids, newest first @param {{ids: number[], entries: {id: number}[]}} found */
export function changed(shown, found) {
  const there = new Set(found.ids)
  const known = new Set(shown)
  const fresh = found.ids.filter(id => !known.has(id))
  const sent = new Set(found.entries.map(({ id }) => id))
  return { gone: shown.filter(id => !there.has(id)), fresh, anew: fresh.some(id => !sent.has(id)) }
}

/** What asks the kernel, for nothing where it is refused; and what shows the entries: `show` those that there are now, `count`
 * how many there are of a kind, `clear` that they are for nothing.
 * @typedef {{
 *   page: (before: number | null) => Promise<Page | undefined>, changes: (oldest: number) => Promise<Changes | undefined>,
 *   show: (entries: readonly Entry[], isWhole: boolean) => void, count: (counts: Counts) => void, clear: () => void,
 * }} Around */

export class Entries {
  /** Newest first. @type {readonly Entry[]} */
  shown = []
  /** Whether there are no older ones. */
  isWhole = false
  #around
  #isLoading = false
  #isUpdating = false
  #isStale = false
  /** Another search makes the answers to the one before stale. */
  #epoch = 0

  /** @param {Around} around */
  constructor(around) {
    this.#around = around
  }
  /** Begin anew, for something else is sought. */
  async restart() {
    this.#epoch++
    this.shown = []
    this.isWhole = this.#isLoading = false
    this.#around.clear()
    await this.more()
  }
  /** Fetch the next page of what is older. */
  async more() {
    if (this.isWhole || this.#isLoading) return
    const now = this.#epoch
    this.#isLoading = true
    const page = await this.#around.page(this.shown.at(-1)?.id ?? null)
    if (now !== this.#epoch) return
    this.#isLoading = false
    if (!page) return
    this.isWhole = page.whole
    this.#show([...this.shown, ...page.entries], page)
    this.#again()
  }
  /** Bring what is shown up to date. @returns {Promise<void>} */
  async update() {
    if (this.#isUpdating || (this.#isLoading && !this.shown.length)) {
      this.#isStale = true
      return
    }
    if (!this.shown.length) {
      this.isWhole = false
      return this.more()
    }
    this.#isUpdating = true
    const now = this.#epoch
    const oldest = this.shown[this.shown.length - 1].id
    const found = await this.#around.changes(this.isWhole ? 0 : oldest)
    this.#isUpdating = false
    if (found && now === this.#epoch) this.#take(found, oldest)
    this.#again()
  }
  #again() {
    if (!this.#isStale || this.#isUpdating) return
    this.#isStale = false
    this.update()
  }
  /** @param {Changes} found @param {number} oldest */
  #take(found, oldest) {
    const { gone, anew } = changed(this.shown.map(({ id }) => id).filter(id => id >= oldest), found)
    if (anew) {
      this.restart()
      return
    }
    const [away, stars] = [new Set(gone), new Set(found.stars)]
    const all = new Map(this.shown.filter(({ id }) => !away.has(id)).map(entry => [entry.id, starred(entry, stars.has(entry.id))]))
    for (const entry of found.entries) all.set(entry.id, same(all.get(entry.id), entry))
    this.#show([...all.values()].sort((a, b) => b.id - a.id), found)
  }
  /** @param {Entry[]} entries @param {Counts} counts */
  #show(entries, counts) {
    this.shown = entries
    this.#around.show(entries, this.isWhole)
    this.#around.count(counts)
  }
}

/** An entry with or without its star. @param {Entry} entry @param {boolean} on */
function starred(entry, on) {
  return entry.starred === on ? entry : { ...entry, starred: on }
}

/** What was known, where it says the same: what shows it has nothing to do. @param {Entry | undefined} known @param {Entry} entry */
function same(known, entry) {
  return known && JSON.stringify(known) === JSON.stringify(entry) ? known : entry
}
