// A card of the history: a generation's pictures, one at a time, and what can be done with them.
// @ts-check

import { alarm, deliberate, h, ofSeries } from "./common.js"
import { cast } from "./mold.js"
/** @import { Refusal } from "./common.js" */

/** Milliseconds that a card says what was done; a screen reader has said it at once. */
const SAID_FOR = 6000

/** What a card asks of the wall that it is on.
 * @typedef {{
 *   ask: (what: string, fields: object) => Promise<any>,
 *   view: (entry: any, place: number) => void, copy: (entry: any) => Promise<string>, download: (mark: string) => Promise<any>,
 *   draft: () => any, want: (mark: string) => void, speak: (text: string) => void,
 * }} Wall */

/** Of a card that is far from what is in sight nothing is on the page but its place and its name: each collection of the
 * scripts' garbage goes through all that is there, and a frame in which it does so is seen. */
export class Card {
  /** @param {any} entry @param {Wall} wall @param {number} [start] which picture is shown first */
  constructor(entry, wall, start = 0) {
    this.entry = entry
    this.wall = wall
    this.place = Math.max(0, Math.min(start, entry.pictures.length - 1))
    this.cast = cast(entry)
    this.element = this.cast.shell()
    this.element.dataset.entry = entry.id
    this.element.setAttribute("aria-label", entry.prompt)
    /** Its picture, which it keeps when it is emptied. @type {any} */
    this.image = null
    /** The addresses of thumbnails that have come and are not shown now; null where there is none.
     * @type {Map<string, string | null>} */
    this.known = new Map()
    /** @type {any} */
    this.timer = null
    /** @type {((event?: any) => boolean) | null} */
    this.isMeant = null
  }
  get chosen() {
    return this.entry.pictures[this.place]
  }
  get isFilled() {
    return this.element.hasChildNodes()
  }
  /** Where its picture is, and a press shows it in full size. */
  get face() {
    this.fill()
    return this.element.firstElementChild
  }
  /** @param {string} name @returns {any} */
  #part(name) {
    return this.element.querySelector(name)
  }
  fill() {
    if (this.isFilled) return
    const { mark, prompt, sources, seconds, starred } = this.entry
    this.element.append(this.cast.content())
    if (this.image) this.#part("img").replaceWith(this.image)
    else this.image = this.#part("img")
    const caption = this.#part(".sd-caption")
    caption.title = caption.textContent = prompt
    if (sources.length) caption.append(h("span", { class: "sd-from" }, ` from ${sources.join(", ")}`))
    if (seconds !== null) this.#part(".sd-meta").lastElementChild.textContent = `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
    this.#part(".sd-turn")?.setAttribute("aria-label", `Pictures of ${mark}`)
    this.star(starred)
    this.draw()
  }
  /** What was said of it stays until it is read. */
  empty() {
    if (this.#part(".sd-said")?.hasChildNodes()) return
    this.image?.remove() // or it would keep all that is around it
    this.element.replaceChildren()
  }
  /** Say which picture is chosen, and show it. */
  draw() {
    const { chosen: now, entry } = this
    const isSeries = entry.pictures.length > 1
    const name = isSeries ? now.mark : entry.mark
    this.#part(".sd-mark").textContent = name
    this.#part(".sd-meta").firstElementChild.textContent = now ? `${now.width}×${now.height}` : entry.error && entry.status
    this.face.setAttribute("aria-label", now ? `View ${name}` : `${name}: ${entry.error || entry.status}`)
    if (now) this.image.dataset.picture = now.mark
    if (isSeries) {
      this.#part(".sd-series").textContent = ofSeries(this.place, entry.pictures.length)
      for (const each of this.element.querySelectorAll("[data-do=use], [data-do=download]")) each.dataset.tip = `${each.getAttribute("aria-label")}: ${now.mark}`
    }
    this.picture()
  }
  /** Show the chosen picture, as far as it is known; one that is shown already is not touched. */
  picture() {
    if (!this.isFilled) return
    const { chosen: now, entry, image } = this
    const small = now && this.known.get(now.mark)
    this.#instead(!now ? entry.error || entry.status : small === null ? "its file is missing or damaged" : "")
    image.toggleAttribute("hidden", !now || small === null)
    if (small) this.#show(now.mark, small)
  }
  /** @param {string} mark @param {string} address */
  #show(mark, address) {
    this.image.src = address
    this.known.delete(mark)
  }
  /** The address of a thumbnail; null where there is none, nothing while it is not known. @param {string} mark */
  small(mark) {
    const isShown = mark === this.chosen?.mark && this.image?.hasAttribute("src")
    return isShown ? this.image.getAttribute("src") : this.known.get(mark)
  }
  /** @param {string} mark @param {string | null} address */
  take(mark, address) {
    const isChosen = mark === this.chosen?.mark
    if (address && this.image && isChosen) this.#show(mark, address)
    else this.known.set(mark, address)
    this.picture()
  }
  /** Ask for the chosen picture, unless it is known. */
  want() {
    if (this.chosen && this.small(this.chosen.mark) === undefined) this.wall.want(this.chosen.mark)
  }
  /** Take what another card of the same entry knows. @param {Card} other */
  inherit(other) {
    for (const { mark } of this.entry.pictures) {
      const small = other.small(mark)
      if (small !== undefined) this.known.set(mark, small)
    }
    this.picture()
  }
  /** Say in the picture's place why there is none. @param {string} text */
  #instead(text) {
    const told = this.image.nextElementSibling
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
    const small = this.small(this.chosen.mark)
    if (small) this.known.set(this.chosen.mark, small)
    this.image.removeAttribute("src")
    this.place = (this.place + way + pictures.length) % pictures.length
    this.draw()
    this.want()
    this.wall.speak(`${this.chosen.mark}, ${ofSeries(this.place, pictures.length)}`)
  }

  // -- what is done at it -------------------------------------------------------------------------

  /** @param {Event} event */
  press(event) {
    const { entry, wall, chosen } = this
    const generation = entry.id
    const button = /** @type {any} */ (event.target).closest("[data-do]")
    if (button?.disabled) return // some browsers tell of a press at what is in it
    switch (button?.dataset.do) {
      case "view": return wall.view(entry, this.place)
      case "previous": return this.go(-1)
      case "next": return this.go(1)
      case "use": return this.#act(wall.ask("use", { mark: chosen.mark }), () => `${chosen.mark} is now a reference.`)
      case "again":
        this.isMeant ??= deliberate()
        return this.isMeant(event) && this.#act(wall.ask("rerun", { generation }), () => "It is in the queue.")
      case "edit": return this.#act(wall.ask("edit", { generation, form: wall.draft() }))
      case "code": return this.#act(wall.copy(entry), told => told)
      case "star": return this.#act(wall.ask("star", { generation, on: !entry.starred }))
      case "download": return this.#act(wall.download(chosen.mark))
    }
  }
  /** @param {KeyboardEvent} event */
  key(event) {
    if (!/** @type {any} */ (event.target).closest(".sd-turn") || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return
    event.preventDefault()
    event.stopPropagation()
    this.go(event.key === "ArrowLeft" ? -1 : 1)
  }
  /** @param {DragEvent} event */
  carry(event) {
    event.dataTransfer?.setData("text/html", `<img data-seedream="${this.chosen.mark}">`)
  }
  /** Tell over the picture what has become of an action: where the person looks, and where nothing is moved by it.
   * @param {Promise<any>} doing @param {(answer: any) => string} [words] */
  async #act(doing, words) {
    clearTimeout(this.timer)
    this.#say()
    try {
      const text = words?.(await doing)
      if (text) {
        this.wall.speak(text)
        this.#say(h("div", { class: "sd-hint" }, text))
        this.timer = setTimeout(() => this.#say(), SAID_FOR)
      } else await doing
    } catch (error) {
      const { told, fields } = /** @type {Refusal} */ (error)
      const problems = Object.values(fields || {}).flat()
      this.#say(alarm(problems.length ? problems : told))
    }
  }
  /** @param {any[]} content */
  #say(...content) {
    let said = this.#part(".sd-said")
    if (!said && content.length) this.face.after(said = h("div", { class: "sd-said" }))
    said?.replaceChildren(...content)
  }
}

/** Let a list hear for all of its cards: a listener at each button of each card would be ten thousand.
 * @param {HTMLElement} list @param {(element: any) => Card | undefined} cardOf */
export function hear(list, cardOf) {
  const at = (/** @type {any} */ event) => {
    const element = event.target.closest(".sd-card")
    return element && cardOf(element)
  }
  list.addEventListener("click", event => at(event)?.press(event))
  list.addEventListener("keydown", event => at(event)?.key(event))
  list.addEventListener("dragstart", event => { // a text that is selected can be dragged too
    if (/** @type {any} */ (event.target).matches?.("img")) at(event)?.carry(event)
  })
}
