// A card of the history: a generation's pictures, one at a time, and what can be done with them.
// @ts-check

import { ACTIONS, isAction } from "./actions.js"
import { cardTemplate } from "./cardTemplate.js"
import { alarm, h, stop, targetOf } from "./dom.js"
import { deliberate } from "./press.js"
import { linesOf } from "./refusal.js"
import { sideFor } from "./smallPictures.js"
import { ofSeries } from "./text.js"
/** @import { ActionName, Doing } from "./actions.js" */
/** @import { Entry, EntryPicture, Refusal } from "./protocol.js" */

/** Milliseconds that a card says what was done; a screen reader has said it at once. */
const SAID_FOR = 6000
/** Pixels below which a card has no room for more than its prompt. */
const SLIM = 150
/** Pixels of the buttons over a picture, the usual first; by keyboard and touch one comes to larger ones. */
const TOOLS = [32, 28, 24]
const NO_FILE = "its file is missing or damaged"

/** What a card asks of the gallery that it is in: `small` and `has` are what is known of small pictures, `want` asks for one of
 * this side; `turned` hears which picture is chosen.
 * @typedef {Doing & {
 *   view: (entry: Entry, place: number) => void, menu: (card: Card) => void, speak: (text: string) => void,
 *   small: (mark: string) => string | null | undefined, has: (mark: string, side: number) => boolean, want: (mark: string, side: number) => void,
 *   turned: (entry: Entry, place: number) => void,
 * }} Around */

/** Pixels of the buttons over a picture: as large as leaves its middle free, where a press opens it. @param {number} count
 * @param {number} width @param {number} height */
function toolSize(count, width, height) {
  const isLow = (/** @type {number} */ size) => Math.ceil(count / Math.max(1, Math.floor((width - 4) / size))) * size + 4 < height / 2
  return TOOLS.find(isLow) ?? TOOLS[TOOLS.length - 1]
}

/** It is on the page only while it is near to what is in sight; and there is something in it only once one does not rush by. */
export class Card {
  /** @type {HTMLImageElement | null} */
  #image = null
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {ReturnType<typeof deliberate> | undefined} */
  #isMeant
  #around
  #template
  #isCurrent = false
  /** Whether it is chosen among several; null while none are being chosen. @type {boolean | null} */
  isChosen = null
  /** The longest side of its picture on the page. */
  #side = 0

  /** @param {Entry} entry @param {Around} around @param {number} [start] which picture is shown first */
  constructor(entry, around, start = 0) {
    this.entry = entry
    this.#around = around
    this.place = Math.max(0, Math.min(start, entry.pictures.length - 1))
    this.#template = cardTemplate(entry)
    this.element = this.#template.shell()
    this.element.dataset.entry = String(entry.id)
    this.element.setAttribute("aria-label", entry.prompt)
  }
  /** The picture that is shown; there is none as long as it runs, or where it has failed. */
  get chosen() {
    return this.entry.pictures.at(this.place)
  }
  get isFilled() {
    return this.element.hasChildNodes()
  }
  /** Whether it says something that nobody has read yet. */
  get isHeard() {
    return Boolean(this.#part(".sd-said")?.hasChildNodes())
  }
  /** Where its picture is, and a press shows it in full size. */
  get face() {
    this.fill()
    return /** @type {HTMLElement} */ (this.element.firstElementChild)
  }
  /** Stand somewhere. @param {number} left @param {number} top @param {number} width @param {number} height of its picture @param {number} below */
  stand(left, top, width, height, below) {
    Object.assign(this.element.style, { transform: `translate(${left}px, ${top}px)`, width: `${width}px`, height: `${height + below}px` })
    this.element.classList.toggle("sd-slim", width < SLIM)
    this.element.style.setProperty("--sd-tool", `${toolSize(this.#template.tools, width, height)}px`)
    const { width: w = 1, height: h = 1 } = this.chosen ?? {}
    const scale = Math.min(width / w, height / h)
    this.#side = Math.max(w, h) * scale * devicePixelRatio
    this.#image?.classList.toggle("sd-whole", Math.abs(w / h / (width / height) - 1) > 0.03)
  }
  /** Say which of how many it is; -1 while nobody knows. @param {number} place @param {number} count */
  count(place, count) {
    this.element.setAttribute("aria-posinset", String(place + 1))
    this.element.setAttribute("aria-setsize", String(count))
  }
  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement | null} */ (this.element.querySelector(name))
  }
  /** Write into a part that each card has. @param {string} name @param {string} text */
  #write(name, text) {
    const part = this.#part(name)
    if (part) part.textContent = text
    return part
  }
  fill() {
    if (this.isFilled) return
    const { mark, prompt, sources, seconds, pictures } = this.entry
    this.element.append(this.#template.content())
    this.#image = this.element.querySelector("img")
    const caption = this.#write(".sd-caption", prompt)
    const size = this.chosen && `${this.chosen.width}×${this.chosen.height}`
    if (caption) caption.title = [prompt, [size, seconds !== null && `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`].filter(Boolean).join(" · ")].filter(Boolean).join("\n")
    this.#write(".sd-from", sources.length ? `from ${sources.join(", ")}` : "")
    this.#part(".sd-turn")?.setAttribute("aria-label", `Pictures of ${mark}`)
    if (pictures.length > 1) this.#tip("all", `${ACTIONS.download.name}: ${pictures.length} pictures`)
    this.#mark()
    this.draw()
  }
  /** Say which picture is chosen, and show it. */
  draw() {
    const { chosen, entry } = this
    const isSeries = entry.pictures.length > 1
    this.#write(".sd-mark", isSeries && chosen ? chosen.mark : entry.mark)
    if (chosen && this.#image) this.#image.dataset.picture = chosen.mark
    if (isSeries && chosen) {
      this.#write(".sd-series", ofSeries(this.place, entry.pictures.length))
      this.#tip("use", `${ACTIONS.use.name}: ${chosen.mark}`)
    }
    this.#name()
    this.picture()
  }
  /** What a screen reader says of it. */
  #name() {
    const { chosen, entry } = this
    const { mark, pictures, prompt, runs, status, error, starred, sandbox } = entry
    const name = pictures.length > 1 && chosen ? chosen.mark : mark
    const state = chosen ? `View ${name}` : runs ? `${mark}: ${status}` : `${mark}: ${status}, ${error || "no picture"}`
    const face = this.face
    face.setAttribute("aria-label", this.isChosen === null ? state : `Select ${state.replace("View ", "")}`)
    face.setAttribute("aria-description", [prompt, ofSeries(this.place, pictures.length), starred && "has a star", sandbox && "sandbox"].filter(Boolean).join(" · "))
    if (!chosen && !runs && this.isChosen === null) face.setAttribute("aria-haspopup", "menu")
    else face.removeAttribute("aria-haspopup")
  }
  /** @param {string} what @param {string} text */
  #tip(what, text) {
    const button = this.#part(`.sd-actions [data-do=${what}]`)
    if (button) button.dataset.tip = text
  }
  /** Show the chosen picture, as far as it is known. */
  picture() {
    if (!this.isFilled || !this.#image) return
    const { chosen, entry } = this
    const small = chosen && this.#around.small(chosen.mark)
    this.#instead(chosen ? (small === null ? NO_FILE : "") : entry.runs ? "" : entry.error || entry.status)
    this.#image.toggleAttribute("hidden", !chosen || small === null)
    if (small && this.#image.getAttribute("src") !== small) this.#image.src = small
  }
  /** Ask for the chosen picture, unless it is there and sharp. */
  want() {
    const side = sideFor(this.#side)
    if (this.chosen && !this.#around.has(this.chosen.mark, side)) this.#around.want(this.chosen.mark, side)
  }
  /** Say in the picture's place why there is none. @param {string} text */
  #instead(text) {
    const told = this.#part(".sd-noimage")
    if (!text) told?.remove()
    else if (told) told.textContent = text
    else this.face.append(h("span", { class: "sd-noimage" }, text))
  }
  /** Show what has changed. @param {Entry} entry */
  renew(entry) {
    this.entry = entry
    if (this.isFilled) this.#mark()
    if (this.isFilled) this.#name()
  }
  #mark() {
    const { starred } = this.entry
    this.element.classList.toggle("sd-has-star", starred)
    this.#part("[data-do=star]")?.setAttribute("aria-pressed", String(starred))
    this.be(this.#isCurrent, this.isChosen)
  }
  /** Be what Tab comes to, or not; and be chosen, or not, while several are. @param {boolean} isCurrent @param {boolean | null} isChosen */
  be(isCurrent, isChosen) {
    const isAnother = isChosen !== this.isChosen
    this.#isCurrent = isCurrent
    this.isChosen = isChosen
    if (!this.isFilled) return
    const face = this.face
    face.tabIndex = isCurrent ? 0 : -1
    if (isChosen === null) face.removeAttribute("aria-pressed")
    else face.setAttribute("aria-pressed", String(isChosen))
    if (isAnother) this.#name()
  }
  /** Show the next picture, or the one before. @param {number} way */
  go(way) {
    const { pictures } = this.entry
    this.#image?.removeAttribute("src")
    this.place = (this.place + way + pictures.length) % pictures.length
    this.#around.turned(this.entry, this.place)
    this.draw()
    this.want()
    if (this.chosen) this.#around.speak(`${this.chosen.mark}, ${ofSeries(this.place, pictures.length)}`)
  }

  // -- what is done at it -------------------------------------------------------------------------

  /** @param {MouseEvent} event */
  press(event) {
    const button = targetOf(event, "[data-do]")
    if (button?.matches(":disabled")) return // some browsers tell of a press at what is in it
    const what = button?.dataset.do
    if (what === "view") this.open()
    else if (what === "previous") this.go(-1)
    else if (what === "next") this.go(1)
    else if (isAction(what)) this.act(what, event)
  }
  open() {
    if (this.chosen) this.#around.view(this.entry, this.place)
    else if (!this.entry.runs) this.#around.menu(this)
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    if (!targetOf(event, ".sd-turn") || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return
    stop(event)
    this.go(event.key === "ArrowLeft" ? -1 : 1)
  }
  /** @param {DragEvent} event */
  carry(event) {
    event.dataTransfer?.setData("text/html", `<img data-seedream="${this.chosen?.mark}">`)
  }
  /** Do something, and tell over the picture what has become of it: where the person looks, and where nothing is moved by it.
   * @param {ActionName} what @param {MouseEvent | KeyboardEvent} event */
  async act(what, event) {
    const action = ACTIONS[what]
    if ("spends" in action) {
      this.#isMeant ??= deliberate()
      if (!this.#isMeant(event)) return
    }
    clearTimeout(this.#timer)
    this.#say()
    try {
      const text = await action.act(this.#around, this.entry, /** @type {EntryPicture} */ (this.chosen))
      if (!text) return
      this.#around.speak(text)
      this.#say(h("div", { class: "sd-hint" }, text))
      this.#timer = setTimeout(() => this.#say(), SAID_FOR)
    } catch (error) {
      this.#say(alarm(linesOf(/** @type {Refusal} */ (error))))
    }
  }
  /** @param {...HTMLElement} content */
  #say(...content) {
    let said = this.#part(".sd-said")
    if (!said && content.length) this.face.after(said = h("div", { class: "sd-said" }))
    said?.replaceChildren(...content)
  }
}
