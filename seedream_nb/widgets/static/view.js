// The full-size view: a picture as it is on disk, on neutral ground; zoom, the way through the history, and what can be done with it.
// @ts-check

import { ACTIONS, actionsOf } from "./actions.js"
import { address } from "./bytes.js"
import { alarm, h, icon, iconButton } from "./dom.js"
import { deliberate } from "./press.js"
import { linesOf } from "./refusal.js"
import { Strip } from "./strip.js"
import { ofSeries } from "./text.js"
import { ZOOM_STEP, Zoom } from "./zoom.js"
/** @import { ActionName, Doing } from "./actions.js" */
/** @import { Details, Entry, Refusal } from "./protocol.js" */
/** @import { Source } from "./strip.js" */

/** What the view asks of the gallery that it is opened from: `undoing` is the line that says what was deleted.
 * @typedef {Doing & Source & {
 *   picture: (mark: string) => Promise<{media_type: string, buffers: DataView[]}>, details: (entry: Entry) => Promise<Details>,
 *   entries: () => readonly Entry[], more: () => Promise<void>, closed: (entry: Entry) => void, undoing: () => HTMLElement,
 * }} Around */

/** What is done at the form, which the view would hide. @type {ActionName[]} */
const LEAVE = ["use", "edit", "change"]
/** Steps of the arrows over an enlarged picture. @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

export class View {
  #around
  #entry
  #place
  #source = ""
  #image = h("img", { class: "sd-full", decoding: "async", draggable: "true" })
  #title = h("div", { class: "sd-title" })
  #said = h("div", { class: "sd-viewsaid" })
  #spoken = h("div", { role: "status", class: "sd-spoken" })
  #zoomButton = h("button", { type: "button", class: "sd-button", "aria-pressed": "false", "aria-label": "Zoom to 1:1", title: "Each pixel of the picture as one of the screen", onclick: () => this.#zoom.toggle() }, "1:1")
  #percent = h("span", { class: "sd-percent" })
  #stage = h("div", { class: "sd-viewstage", tabindex: "0", role: "group", "aria-label": "Picture" }, this.#image, this.#said)
  #words = h("div", { class: "sd-viewwords", tabindex: "0", role: "group", "aria-label": "Prompt" })
  #facts = h("dl", { class: "sd-facts" })
  #deeds = h("div", { class: "sd-viewdeeds", role: "group", "aria-label": "Actions" })
  #strip
  #zoom
  #isMeant = deliberate()
  /** Where the line of what was deleted stands while the view is closed. */
  #undoingPlace = document.createComment("")
  #shownDetails = 0

  /** Show the picture at this place of an entry. @param {Entry} entry @param {number} place @param {Around} around */
  constructor(entry, place, around) {
    this.#around = around
    this.#entry = entry
    this.#place = place
    this.#strip = new Strip(around, chosen => this.#go(this.#entry, chosen))
    this.#zoom = new Zoom(this.#stage, this.#image, () => this.#zoomed())
    this.#stage.addEventListener("click", event => {
      if (this.#zoom.isClick && this.#zoom.isOver(event)) this.#zoom.toggle(...this.#zoom.at(event))
    })
    const undoing = around.undoing()
    undoing.replaceWith(this.#undoingPlace)
    this.dialog = h("dialog", {
      class: "sd-piece sd-view", "aria-label": "Picture", onclose: () => this.#closed(), onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    }, this.#bar(), h("div", { class: "sd-viewmain" }, iconButton("left", "Previous", () => { this.#step(-1) }), this.#stage, iconButton("right", "Next", () => { this.#step(1) })),
    h("div", { class: "sd-viewside" }, undoing, this.#words, this.#facts, this.#deeds), this.#strip.element, this.#spoken)
    document.body.append(this.dialog) // where nothing around it can cut it off, or hide it from a tool that checks its colours
    this.dialog.showModal()
    this.#stage.focus()
    this.#show()
  }
  close() {
    this.dialog.close()
  }
  /** Show the small pictures that have come, and what has changed of the entry. */
  draw() {
    const now = this.#around.entries().find(({ id }) => id === this.#entry.id)
    if (now && now !== this.#entry) {
      this.#entry = now
      this.#place = Math.min(this.#place, now.pictures.length - 1)
      this.#fillDeeds()
    }
    this.#strip.draw()
    const small = this.#source ? null : this.#around.small(this.#shown.mark)
    if (small && !this.#image.getAttribute("src")) this.#image.src = small
  }
  get #shown() {
    return this.#entry.pictures[this.#place]
  }
  #bar() {
    return h("div", { class: "sd-row sd-viewbar" }, this.#title, h("div", { class: "sd-row sd-zooming" },
      iconButton("less", "Smaller", () => this.#zoom.by(1 / ZOOM_STEP)), this.#percent, iconButton("more", "Larger", () => this.#zoom.by(ZOOM_STEP)), this.#zoomButton),
    iconButton("close", "Close", () => this.close()))
  }
  #zoomed() {
    this.#zoomButton.setAttribute("aria-pressed", String(!this.#zoom.isFitted))
    this.#percent.textContent = `${Math.round(100 * this.#zoom.scale * devicePixelRatio)} %`
    this.#stage.classList.toggle("sd-zoomed", !this.#zoom.isFitted)
  }

  // -- what can be done ---------------------------------------------------------------------------

  #fillDeeds() {
    const { pictures, runs, starred } = this.#entry
    const focused = this.#deeds.contains(document.activeElement) && document.activeElement instanceof HTMLElement ? document.activeElement.dataset.do : ""
    this.#deeds.replaceChildren(...actionsOf({ count: pictures.length, runs }).map(([what, { name, icon: drawn }]) => h("button", {
      type: "button", class: "sd-button sd-deed", "data-do": what, "aria-pressed": what === "star" ? String(starred) : null,
      onclick: (/** @type {MouseEvent} */ event) => { this.#act(what, event) },
    }, icon(drawn), name)))
    const same = focused ? this.#deeds.querySelector(`[data-do="${focused}"]`) : null
    if (same instanceof HTMLElement) same.focus()
  }
  /** @param {ActionName} what @param {MouseEvent} event */
  async #act(what, event) {
    const action = ACTIONS[what]
    if ("spends" in action && !this.#isMeant(event)) return
    this.#said.replaceChildren()
    const next = what === "remove" ? this.#next() : null
    try {
      const told = await action.act(this.#around, this.#entry, this.#shown)
      if (LEAVE.includes(what)) this.close()
      else if (what === "remove") this.#removed(next)
      else if (told) this.#tell(told)
    } catch (error) {
      this.#fail(/** @type {Refusal} */ (error))
    }
  }
  /** What to look at when this entry is gone. */
  #next() {
    const others = this.#viewable
    const at = others.findIndex(({ id }) => id === this.#entry.id)
    return others[at + 1] ?? others[at - 1] ?? null
  }
  /** @param {Entry | null} next */
  #removed(next) {
    if (next) this.#go(next, 0)
    else this.close()
  }
  /** @param {string} told */
  #tell(told) {
    this.#spoken.textContent = told
    this.#said.replaceChildren(h("div", { class: "sd-hint" }, told))
  }
  /** @param {Refusal} refusal */
  #fail(refusal) {
    this.#said.replaceChildren(alarm(linesOf(refusal)))
  }
  #release() {
    if (this.#source) URL.revokeObjectURL(this.#source)
    this.#source = ""
  }
  #closed() {
    this.#release()
    this.#zoom.close()
    this.#undoingPlace.replaceWith(this.#around.undoing())
    this.dialog.remove()
    this.#around.closed(this.#entry)
  }

  // -- keys, and the way on -----------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation()
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const isOver = !this.#zoom.isFitted && event.target === this.#stage
    const way = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[event.key]
    const keys = /** @type {Record<string, () => void>} */ ({ "+": () => this.#zoom.by(ZOOM_STEP), "=": () => this.#zoom.by(ZOOM_STEP), "-": () => this.#zoom.by(1 / ZOOM_STEP), 0: () => this.#zoom.fit(), 1: () => this.#zoom.toggle() })
    if (isOver && event.key in ARROWS) this.#zoom.step(...ARROWS[event.key]) // they move the large picture
    else if (way && event.target !== this.#words) this.#step(way)
    else if (event.key === "Enter" && event.target === this.#stage) this.#zoom.toggle()
    else if (event.key in keys) keys[event.key]()
    else if (event.key === "Delete") this.#deeds.querySelector("[data-do=remove]")?.dispatchEvent(new MouseEvent("click"))
    else return
    event.preventDefault()
  }
  /** @param {number} way */
  async #step(way) {
    let to = this.#beside(way)
    if (!to && way > 0) {
      await this.#around.more()
      to = this.#beside(way)
    }
    if (to) this.#go(to.entry, to.place)
  }
  get #viewable() {
    return this.#around.entries().filter(each => each.pictures.length || each.id === this.#entry.id)
  }
  /** The picture before or after this one, in another entry where this has no more. @param {number} way */
  #beside(way) {
    const place = this.#place + way
    if (this.#entry.pictures[place]) return { entry: this.#entry, place }
    const others = this.#viewable
    const entry = others[others.findIndex(each => each.id === this.#entry.id) + way]
    return entry ? { entry, place: way > 0 ? 0 : entry.pictures.length - 1 } : null
  }
  /** @param {Entry} entry @param {number} place */
  #go(entry, place) {
    this.#entry = entry
    this.#place = place
    this.#show()
  }

  // -- what is shown ------------------------------------------------------------------------------

  async #show() {
    const { mark, width, height } = this.#shown
    const { pictures, prompt } = this.#entry
    const place = ofSeries(this.#place, pictures.length)
    this.#title.textContent = [mark, place, `${width}×${height}`].filter(Boolean).join(" · ")
    this.#spoken.textContent = [mark, place, prompt].filter(Boolean).join(", ")
    this.#release()
    this.#image.alt = prompt
    this.#image.src = this.#around.small(mark) || ""
    if (!this.#image.getAttribute("src")) this.#image.removeAttribute("src")
    this.#image.dataset.picture = mark
    this.#zoom.show(width, height)
    this.#said.replaceChildren()
    this.#strip.show(this.#entry, this.#place)
    this.#fillDeeds()
    this.#describe()
    const made = await this.#around.picture(mark).catch(error => { if (this.#shown.mark === mark) this.#fail(error) })
    if (!made || this.#shown.mark !== mark || !this.dialog.isConnected) return
    this.#release()
    this.#source = this.#image.src = address(made.buffers[0], made.media_type)
  }
  /** Say what it was made of: the prompt at once, as far as it is known, and the rest when it comes. */
  async #describe() {
    const { id, prompt } = this.#entry
    if (this.#shownDetails === id) return
    this.#shownDetails = id
    this.#words.textContent = prompt
    this.#facts.replaceChildren()
    const found = await this.#around.details(this.#entry).catch(() => null)
    if (!found || this.#entry.id !== id) return
    this.#words.textContent = found.prompt
    this.#facts.replaceChildren(...found.facts.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]))
  }
}
