// The entries that a page shows of the history: fetched in pages, and kept up to date.
// @ts-check

/** @import { Changes, Entry, Page } from "./protocol.js" */

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

/** What asks the kernel, for nothing where it is refused; and what shows entries. `add` shows one behind all others when
 * there is time for it, `put` before another, at once.
 * @typedef {{
 *   page: (before: number | null) => Promise<Page | undefined>, changes: (oldest: number) => Promise<Changes | undefined>,
 *   later: (step: () => void) => Promise<void>, add: (entry: Entry) => void, put: (entry: Entry, before: Entry | undefined) => void,
 *   replace: (entry: Entry) => void, drop: (id: number) => void, star: (ids: Set<number>) => void, settle: () => void,
 *   count: (starred: number) => void, clear: () => void,
 * }} Around */

export class Entries {
  /** Newest first. @type {Entry[]} */
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
    this.#around.clear()
    this.isWhole = this.#isLoading = false
    await this.more()
  }
  /** Fetch the next page of what is older. */
  async more() {
    if (this.isWhole || this.#isLoading) return
    const now = this.#epoch
    this.#isLoading = true
    const page = await this.#around.page(this.shown.at(-1)?.id ?? null)
    if (now !== this.#epoch) return
    if (page) await Promise.all(page.entries.map(entry => this.#around.later(() => { if (now === this.#epoch) this.#add(entry) })))
    if (now !== this.#epoch) return
    this.#isLoading = false
    if (!page) return
    this.isWhole = page.whole
    this.#around.count(page.starred)
    this.#again()
  }
  /** Bring what is shown up to date, without moving what has the focus. @returns {Promise<void>} */
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
    if (found && now === this.#epoch) this.#take(found, this.shown.map(({ id }) => id).filter(id => id >= oldest))
    this.#again()
  }
  #again() {
    if (!this.#isStale || this.#isUpdating) return
    this.#isStale = false
    this.update()
  }
  /** @param {Changes} found @param {number[]} shown ids */
  #take(found, shown) {
    const { gone, fresh, anew } = changed(shown, found)
    if (anew) {
      this.restart()
      return
    }
    for (const id of gone) this.#drop(id)
    this.#around.star(new Set(found.stars))
    for (const entry of found.entries) {
      if (fresh.includes(entry.id)) this.#put(entry)
      else this.#replace(entry)
    }
    if (gone.length || fresh.length) this.#around.settle()
    this.#around.count(found.starred)
  }
  /** @param {Entry} entry */
  #add(entry) {
    this.shown.push(entry)
    this.#around.add(entry)
  }
  /** @param {Entry} entry */
  #put(entry) {
    const place = this.shown.findIndex(({ id }) => id < entry.id)
    const at = place < 0 ? this.shown.length : place
    this.#around.put(entry, this.shown[at])
    this.shown.splice(at, 0, entry)
  }
  /** @param {Entry} entry */
  #replace(entry) {
    const at = this.shown.findIndex(({ id }) => id === entry.id)
    if (at < 0 || JSON.stringify(entry) === JSON.stringify(this.shown[at])) return
    this.shown[at] = entry
    this.#around.replace(entry)
  }
  /** @param {number} id */
  #drop(id) {
    this.shown = this.shown.filter(entry => entry.id !== id)
    this.#around.drop(id)
  }
}
