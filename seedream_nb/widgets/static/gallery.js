// The gallery: the history as a wall of pictures, searched, and kept up to date.
// @ts-check

import { Card, hear } from "./card.js"
import { address, alarm, changed, h, icon, piece, shared } from "./common.js"
import { unhurried } from "./frames.js"
import { invitation } from "./invitation.js"
import { line } from "./line.js"
import { pace } from "./pace.js"
import { thumbnails } from "./thumbnails.js"
import { view } from "./view.js"
import { wall } from "./wall.js"
/** @import { Wall } from "./card.js" */
/** @import { Around } from "./view.js" */

const SEARCH_AFTER = 150
/** Pixels beyond the edge at which what comes is made. */
const NEAR = 600
const LATE = "Queued until the running cell ends."

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    piece(el)
    const search = h("input", { type: "search", class: "sd-input", "aria-label": "Search history", placeholder: "Search history", oninput: sought, onkeydown: (/** @type {Event} */ event) => event.stopPropagation() })
    const stars = h("button", { type: "button", class: "sd-button sd-stars", "aria-pressed": "false", "aria-label": "Only with a star", title: "Only with a star", onclick: () => { onlyStars = !onlyStars; stars.setAttribute("aria-pressed", String(onlyStars)); restart() } })
    const { later, clear } = unhurried()
    const scroll = h("div", { class: "sd-scroll" })
    const { calm } = pace(scroll)
    /** Look so many pixels beyond the edge of what is scrolled; of the page's edge only some browsers can say it.
     * @param {number} pixels */
    const ahead = pixels => ({ root: scroll, rootMargin: `${pixels}px` })
    const list = wall("History", {
      fill: each => cardOf(each)?.fill(),
      want: each => cardOf(each)?.want(),
      empty: each => cardOf(each)?.empty(),
    }, { later, calm }, ahead(NEAR))
    const empty = h("div", { class: "sd-nothing" })
    const end = h("div", { class: "sd-end" })
    scroll.append(list.element, empty, end)
    const said = h("div", {})
    const late = h("div", { class: "sd-hint" })
    const spoken = h("div", { role: "status", class: "sd-spoken" })
    el.replaceChildren(h("section", { class: "sd-gallery" },
      h("div", { class: "sd-row sd-find" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "History"), search, stars), said, late, spoken, scroll))
    /** @type {Map<number, Card>} */
    let cards = new Map()
    /** Those that were shown before another search. @type {typeof cards} */
    let past = new Map()
    const of = (/** @type {string} */ mark) => {
      const id = Number(mark.slice(1).split(".")[0])
      return cards.get(id) ?? past.get(id)
    }
    const cardOf = (/** @type {any} */ element) => cards.get(Number(element.dataset.entry))
    hear(list.element, cardOf)
    const want = thumbnails(kernel.ask, (mark, small) => {
      of(mark)?.take(mark, small)
      viewed?.draw()
    }, later)
    /** @type {any[]} */
    let entries = []
    let whole = false
    let loading = false
    let stamp = -1
    let panel = ""
    let onlyStars = false
    let acting = 0
    /** Another search makes the answers to the one before stale. */
    let epoch = 0
    /** @type {any} */
    let timer
    let starred = 0
    /** @type {{close: () => void, draw: () => void} | null} */
    let viewed = null
    /** @type {Function[]} */
    const leave = []

    const atEnd = new IntersectionObserver(seen => { if (seen.some(each => each.isIntersecting)) more() }, ahead(1200))
    atEnd.observe(end)

    kernel.onSnapshot(snapshot => {
      if (!panel) leave.push(shared(panel = snapshot.panel).listen("filled", () => { if (empty.childElementCount) count(starred) }))
      const isFirst = stamp === -1
      if (snapshot.history === stamp) return
      stamp = snapshot.history
      if (!isFirst) update()
    })
    kernel.onLate(isLate => { late.textContent = isLate && acting ? LATE : "" })
    kernel.ask("snapshot").catch(fail)

    /** Ask for something that a person wants, who is told if it has to wait. @param {string} what @param {object} fields */
    async function ask(what, fields) {
      acting++
      try {
        return await kernel.ask(what, fields)
      } finally {
        acting--
        if (!acting) late.textContent = ""
      }
    }
    /** @type {Wall & Around} */
    const around = {
      ask, copy, download, more, want,
      small: mark => of(mark)?.small(mark),
      draft: () => shared(panel).draft,
      speak: text => { spoken.textContent = text },
      entries: () => entries,
      view: (entry, place) => { viewed = view(entry, place, around) },
      closed: entry => { viewed = null; (cards.get(entry.id)?.face || search).focus() },
    }

    // -- what is shown ----------------------------------------------------------------------------

    const filter = () => ({ words: search.value, stars: onlyStars })
    function sought() {
      clearTimeout(timer)
      timer = setTimeout(restart, SEARCH_AFTER)
    }
    async function restart() {
      epoch++
      entries = []
      const before = past = new Map([...past, ...cards])
      cards = new Map()
      list.clear()
      whole = loading = false
      await more()
      if (past === before) past = new Map()
      spoken.textContent = search.value ? `${entries.length}${whole ? "" : " or more"} found` : ""
    }
    /** Fetch the next page of what is older. */
    async function more() {
      if (whole || loading) return
      const now = epoch
      loading = true
      const page = await kernel.ask("entries", { before: entries.at(-1)?.id ?? null, ...filter() }).catch(fail)
      if (now !== epoch) return
      if (!page) {
        loading = false
        return
      }
      said.replaceChildren()
      await Promise.all(page.entries.map((/** @type {any} */ each) => later(() => {
        if (now !== epoch) return
        entries.push(each)
        list.append([made(each).element])
      })))
      if (now !== epoch) return
      whole = page.whole
      loading = false
      count(page.starred)
      atEnd.unobserve(end) // it says so again if the end is in sight still
      atEnd.observe(end)
      again()
    }
    let updating = false
    let isStale = false
    /** Bring what is shown up to date, without moving what has the focus. */
    async function update() {
      if (updating || (loading && !entries.length)) { isStale = true; return }
      if (!entries.length) {
        whole = false
        return more()
      }
      updating = true
      const now = epoch
      const oldest = entries[entries.length - 1].id
      const found = await kernel.ask("changes", { oldest: whole ? 0 : oldest, ...filter() }).catch(fail)
      updating = false
      if (found && now === epoch) take(found, entries.filter(each => each.id >= oldest).map(each => each.id))
      again()
    }
    function again() {
      if (!isStale || updating) return
      isStale = false
      update()
    }
    /** @param {any} found @param {number[]} shown ids */
    function take(found, shown) {
      const { gone, fresh, anew } = changed(shown, found)
      if (anew) return restart()
      gone.forEach(drop)
      const starred = new Set(found.stars)
      cards.forEach((each, id) => { if (each.entry.starred !== starred.has(id)) each.star(starred.has(id)) })
      for (const each of found.entries) {
        if (fresh.includes(each.id)) put(each)
        else if (JSON.stringify(each) !== JSON.stringify(cards.get(each.id)?.entry)) replace(each)
      }
      if (gone.length || fresh.length) list.settle()
      count(found.starred)
    }
    /** @param {any} entry @param {number} [place] */
    function made(entry, place) {
      const one = new Card(entry, around, place)
      const before = cards.get(entry.id) ?? past.get(entry.id)
      if (before) one.inherit(before)
      cards.set(entry.id, one)
      return one
    }
    /** @param {any} entry */
    function put(entry) {
      const place = entries.findIndex(each => each.id < entry.id)
      const at = place < 0 ? entries.length : place
      const one = made(entry)
      list.put(one.element, cards.get(entries[at]?.id)?.element)
      entries.splice(at, 0, entry)
      one.fill() // at once, and its picture: it is what the person waits for
      one.want()
    }
    /** @param {any} entry */
    function replace(entry) {
      const old = cards.get(entry.id)
      if (!old) return
      const focused = old.element.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null
      const fresh = made(entry, old.place)
      if (old.isFilled) {
        fresh.fill()
        fresh.want()
      }
      entries[entries.findIndex(each => each.id === entry.id)] = entry
      old.element.replaceWith(fresh.element)
      if (focused) (/** @type {any} */ (fresh.element.querySelector(`[aria-label="${CSS.escape(focused)}"]`)) || fresh.face).focus()
    }
    /** @param {number} id */
    function drop(id) {
      const old = cards.get(id)
      const next = old?.element.contains(document.activeElement) ? list.beside(old.element) : null
      entries = entries.filter(each => each.id !== id)
      cards.delete(id)
      old?.element.remove()
      if (!next) return
      cardOf(next)?.fill()
      next.querySelector("button")?.focus()
    }
    /** @param {number} now how many have a star */
    function count(now) {
      starred = now
      stars.replaceChildren(icon("star"))
      stars.dataset.count = String(starred)
      stars.hidden = !starred && !onlyStars
      const words = search.value.trim()
      empty.replaceChildren(...(entries.length ? [] : onlyStars ? [h("p", {}, "Nothing here has a star.")] : words
        ? [h("p", {}, `No prompt contains all of these words: ${words}`)]
        : invitation(shared(panel))))
    }
    /** @param {any} error */
    function fail(error) {
      said.replaceChildren(alarm(error.told))
    }

    // -- what is done with a picture or a request -------------------------------------------------

    /** @param {any} entry @returns {Promise<string>} */
    async function copy(entry) {
      const found = await ask("code", { generation: entry.id })
      const notebook = model.widget_manager?.context?.model?.sharedModel
      if (notebook?.insertCell) {
        notebook.insertCell(below(notebook), { cell_type: "code", source: found.cell, metadata: {} })
        return "The cell was inserted below."
      }
      try {
        await navigator.clipboard.writeText(found.cell)
      } catch { // no leave, or a page that is not served safely: then by hand
        const text = h("textarea", { class: "sd-input", rows: 4, readonly: true, "aria-label": "The cell" })
        text.value = found.cell
        said.replaceChildren(h("div", { class: "sd-hint" }, "Copy this into a cell:"), text)
        text.select()
        return "The cell is above the history: copy it from there."
      }
      return `The cell that makes ${entry.mark} is on the clipboard.`
    }
    /** The place below the cell that the panel is in. @param {any} notebook */
    function below(notebook) {
      const cell = el.closest(".jp-Cell")
      const place = cell ? [...(cell.parentElement?.querySelectorAll(":scope > .jp-Cell") ?? [])].indexOf(cell) : -1
      return place < 0 ? notebook.cells.length : place + 1
    }
    /** @param {string} mark */
    async function download(mark) {
      const found = await ask("picture", { mark })
      const link = h("a", { href: address(found.buffers[0], found.media_type), download: found.name })
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    }
    more() // not after the snapshot has come: that would be another way there and back
    return () => {
      clearTimeout(timer)
      viewed?.close()
      list.clear()
      leave.forEach(each => each())
      atEnd.disconnect()
      kernel.close()
      clear()
    }
  },
}
