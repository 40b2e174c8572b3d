// A card of the history: a generation's pictures, one at a time, and what can be done with them.
// @ts-check

import { ACTIONS, isAction } from "./actions.js"
import { cardTemplate } from "./cardTemplate.js"
import { alarm, h, stop, targetOf } from "./dom.js"
import { deliberate } from "./press.js"
import { linesOf } from "./refusal.js"
import { ofSeries } from "./text.js"
/** @import { Action, Doing } from "./actions.js" */
/** @import { Entry, EntryPicture, Refusal } from "./protocol.js" */

/** Milliseconds that a card says what was done; a screen reader has said it at once. */
const SAID_FOR = 6000

/** What a card asks of the gallery that it is in.
 * @typedef {Doing & {view: (entry: Entry, place: number) => void, want: (mark: string) => void, speak: (text: string) => void}} Around */

/** Of a card that is far from what is in sight nothing is on the page but its place and its name: each collection of the
 * scripts' garbage goes through all that is there, and a frame in which it does so is seen. */
export class Card {
  /** Its picture, which it keeps when it is emptied. @type {HTMLImageElement | null} */
  #image = null
  /** The addresses of thumbnails that have come and are not shown now; null where there is none.
   * @type {Map<string, string | null>} */
  #known = new Map()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer
  /** @type {ReturnType<typeof deliberate> | undefined} */
  #isMeant
  #around
  #template

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
  /** Where its picture is, and a press shows it in full size. */
  get face() {
    this.fill()
    return /** @type {HTMLElement} */ (this.element.firstElementChild)
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
    const { mark, prompt, sources, seconds, starred } = this.entry
    this.element.append(this.#template.content())
    const image = this.element.querySelector("img")
    if (this.#image) image?.replaceWith(this.#image)
    else this.#image = image
    const caption = this.#write(".sd-caption", prompt)
    if (caption) caption.title = prompt
    if (sources.length) caption?.append(h("span", { class: "sd-from" }, ` from ${sources.join(", ")}`))
    if (seconds !== null) this.#write(".sd-meta :last-child", `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`)
    this.#part(".sd-turn")?.setAttribute("aria-label", `Pictures of ${mark}`)
    this.star(starred)
    this.draw()
  }
  /** What was said of it stays until it is read. */
  empty() {
    if (this.#part(".sd-said")?.hasChildNodes()) return
    this.#image?.remove() // or it would keep all that is around it
    this.element.replaceChildren()
  }
  /** Say which picture is chosen, and show it. */
  draw() {
    const { chosen, entry } = this
    const isSeries = entry.pictures.length > 1
    const name = isSeries && chosen ? chosen.mark : entry.mark
    this.#write(".sd-mark", name)
    this.#write(".sd-meta :first-child", chosen ? `${chosen.width}×${chosen.height}` : entry.error && entry.status)
    this.face.setAttribute("aria-label", chosen ? `View ${name}` : `${name}: ${entry.error || entry.status}`)
    if (chosen && this.#image) this.#image.dataset.picture = chosen.mark
    if (isSeries) {
      this.#write(".sd-series", ofSeries(this.place, entry.pictures.length))
      for (const [what, action] of Object.entries(ACTIONS)) {
        const button = "ofPicture" in action && this.#part(`[data-do=${what}]`)
        if (button) button.dataset.tip = `${action.name}: ${name}`
      }
    }
    this.picture()
  }
  /** Show the chosen picture, as far as it is known; one that is shown already is not touched. */
  picture() {
    if (!this.isFilled || !this.#image) return
    const { chosen, entry } = this
    const small = chosen && this.#known.get(chosen.mark)
    this.#instead(!chosen ? entry.error || entry.status : small === null ? "its file is missing or damaged" : "")
    this.#image.toggleAttribute("hidden", !chosen || small === null)
    if (small) this.#show(chosen.mark, small)
  }
  /** @param {string} mark @param {string} address */
  #show(mark, address) {
    if (this.#image) this.#image.src = address
    this.#known.delete(mark)
  }
  /** The address of a thumbnail; null where there is none, nothing while it is not known. @param {string} mark */
  small(mark) {
    const isShown = mark === this.chosen?.mark && this.#image?.hasAttribute("src")
    return isShown ? this.#image?.getAttribute("src") : this.#known.get(mark)
  }
  /** @param {string} mark @param {string | null} address */
  take(mark, address) {
    const isChosen = mark === this.chosen?.mark
    if (address && this.#image && isChosen) this.#show(mark, address)
    else this.#known.set(mark, address)
    this.picture()
  }
  /** Ask for the chosen picture, unless it is known. */
  want() {
    if (this.chosen && this.small(this.chosen.mark) === undefined) this.#around.want(this.chosen.mark)
  }
  /** Take what another card of the same entry knows. @param {Card} other */
  inherit(other) {
    for (const { mark } of this.entry.pictures) {
      const small = other.small(mark)
      if (small !== undefined) this.#known.set(mark, small)
    }
    this.picture()
  }
  /** Say in the picture's place why there is none. @param {string} text */
  #instead(text) {
    const told = this.#image?.nextElementSibling
    if (!text) told?.remove()
    else if (told) told.textContent = text
    else this.face.append(h("span", { class: "sd-noimage" }, text))
  }
  /** @param {boolean} on */
  star(on) {
    this.entry.starred = on
    this.#part("[data-do=star]")?.setAttribute("aria-pressed", String(on))
  }
  /** Show the next picture, or the one before. @param {number} way */
  go(way) {
    const { pictures } = this.entry
    const before = this.chosen
    const small = before && this.small(before.mark)
    if (small) this.#known.set(before.mark, small)
    this.#image?.removeAttribute("src")
    this.place = (this.place + way + pictures.length) % pictures.length
    this.draw()
    this.want()
    if (this.chosen) this.#around.speak(`${this.chosen.mark}, ${ofSeries(this.place, pictures.length)}`)
  }

  // -- what is done at it -------------------------------------------------------------------------

  /** @param {MouseEvent} event */
  press(event) {
    const button = targetOf(event, "[data-do]")
    if (!button || button.matches(":disabled")) return // some browsers tell of a press at what is in it
    const what = button.dataset.do
    if (what === "view") this.#around.view(this.entry, this.place)
    else if (what === "previous") this.go(-1)
    else if (what === "next") this.go(1)
    else if (isAction(what)) this.#act(ACTIONS[what], event)
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
   * @param {Action} action @param {MouseEvent} event */
  async #act(action, event) {
    if (action.spends) {
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

/** Let a list hear for all of its cards: a listener at each button of each card would be ten thousand.
 * @param {HTMLElement} list @param {(element: HTMLElement) => Card | undefined} cardOf */
export function hear(list, cardOf) {
  const at = (/** @type {Event} */ event) => {
    const element = targetOf(event, ".sd-card")
    return element ? cardOf(element) : undefined
  }
  list.addEventListener("click", event => at(event)?.press(event))
  list.addEventListener("keydown", event => at(event)?.key(event))
  list.addEventListener("dragstart", event => { // a text that is selected can be dragged too
    if (event.target instanceof HTMLImageElement) at(event)?.carry(event)
  })
}
