// The full-size view: a picture as it is on disk, the way to the next, zoom, and what can be done with it.
// @ts-check

import { ACTIONS } from "./actions.js"
import { address } from "./bytes.js"
import { alarm, h, iconButton } from "./dom.js"
import { linesOf } from "./refusal.js"
import { Strip } from "./strip.js"
import { ofSeries } from "./text.js"
/** @import { Action, Doing } from "./actions.js" */
/** @import { Entry, Refusal } from "./protocol.js" */
/** @import { Source } from "./strip.js" */

/** What the view asks of the gallery that it is opened from.
 * @typedef {Doing & Source & {
 *   picture: (mark: string) => Promise<{media_type: string, buffers: DataView[]}>,
 *   entries: () => Entry[], more: () => Promise<void>, closed: (entry: Entry) => void,
 * }} Around */

export class View {
  #around
  #entry
  #place
  #source = ""
  #image = h("img", { class: "sd-full", decoding: "async", draggable: "true", onclick: () => this.#zoom() })
  #title = h("div", { class: "sd-title" })
  #said = h("div", { class: "sd-viewsaid" })
  #larger = h("button", { type: "button", class: "sd-button", "aria-pressed": "false", onclick: () => this.#zoom() }, "Zoom")
  #stage = h("div", { class: "sd-stage", tabindex: "0", role: "group", "aria-label": "Picture" }, this.#image, this.#said)
  #strip

  /** Show the picture at this place of an entry. @param {Entry} entry @param {number} place @param {Around} around */
  constructor(entry, place, around) {
    this.#around = around
    this.#entry = entry
    this.#place = place
    this.#strip = new Strip(around, chosen => this.#go(this.#entry, chosen))
    this.dialog = h("dialog", {
      class: "sd-piece sd-view", "aria-label": "Picture", onclose: () => this.#closed(), onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    }, this.#bar(), iconButton("left", "Previous", () => { this.#step(-1) }), this.#stage, iconButton("right", "Next", () => { this.#step(1) }), this.#strip.element)
    document.body.append(this.dialog) // where nothing around it can cut it off, or hide it from a tool that checks its colours
    this.dialog.showModal()
    this.#stage.focus()
    this.#show()
  }
  close() {
    this.dialog.close()
  }
  /** Show the small pictures that have come. */
  draw() {
    this.#strip.draw()
  }
  get #shown() {
    return this.#entry.pictures[this.#place]
  }
  #bar() {
    const { use, download } = ACTIONS
    return h("div", { class: "sd-row sd-viewbar" }, this.#title, this.#larger,
      this.#button(use, () => this.close()), this.#button(download, () => {}), iconButton("close", "Close", () => this.close()))
  }
  /** @param {Action} action @param {() => void} done */
  #button({ name, act }, done) {
    const press = () => { act(this.#around, this.#entry, this.#shown).then(done, error => this.#fail(error)) }
    return h("button", { type: "button", class: "sd-button", onclick: press }, name)
  }
  #release() {
    if (this.#source) URL.revokeObjectURL(this.#source)
    this.#source = ""
  }
  #closed() {
    this.#release()
    this.dialog.remove()
    this.#around.closed(this.#entry)
  }
  #zoom() {
    const on = this.#stage.classList.toggle("sd-zoomed")
    this.#larger.setAttribute("aria-pressed", String(on))
  }
  /** @param {Refusal} refusal */
  #fail(refusal) {
    this.#said.replaceChildren(alarm(linesOf(refusal)))
  }
  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation()
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (way && !(this.#stage.classList.contains("sd-zoomed") && event.target === this.#stage)) { // else they move the large picture
      event.preventDefault()
      this.#step(way)
    }
    if (event.key === "Enter" && event.target === this.#stage) this.#zoom()
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
  /** The picture before or after this one, in another entry where this has no more. @param {number} way */
  #beside(way) {
    const place = this.#place + way
    if (this.#entry.pictures[place]) return { entry: this.#entry, place }
    const others = this.#around.entries().filter(each => each.pictures.length || each.id === this.#entry.id)
    const entry = others[others.findIndex(each => each.id === this.#entry.id) + way]
    return entry ? { entry, place: way > 0 ? 0 : entry.pictures.length - 1 } : null
  }
  /** @param {Entry} entry @param {number} place */
  #go(entry, place) {
    this.#entry = entry
    this.#place = place
    this.#show()
  }
  async #show() {
    const { mark, width, height } = this.#shown
    const { pictures, prompt } = this.#entry
    this.#title.textContent = [mark, ofSeries(this.#place, pictures.length), `${width}×${height}`, prompt].filter(Boolean).join(" · ")
    this.#image.alt = prompt
    this.#image.src = this.#around.small(mark) || ""
    this.#image.dataset.picture = mark
    this.#stage.classList.remove("sd-zoomed")
    this.#larger.setAttribute("aria-pressed", "false")
    this.#said.replaceChildren()
    this.#strip.show(this.#entry, this.#place)
    const made = await this.#around.picture(mark).catch(error => { if (this.#shown.mark === mark) this.#fail(error) })
    if (!made || this.#shown.mark !== mark || !this.dialog.isConnected) return
    this.#release()
    this.#source = this.#image.src = address(made.buffers[0], made.media_type)
  }
}
