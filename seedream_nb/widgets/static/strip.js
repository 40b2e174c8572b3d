// The pictures of a series, small, beside each other; nothing where there is only one.
// @ts-check

import { focusedIn, h } from "./dom.js"
import { ofSeries } from "./text.js"
/** @import { Entry } from "./protocol.js" */

/** Where small pictures come from. @typedef {{small: (mark: string) => string | null | undefined, want: (mark: string) => void}} Source */

export class Strip {
  element = h("div", { class: "sd-strip", role: "group", hidden: true })
  /** @type {Entry | null} */
  #shown = null
  /** @type {HTMLButtonElement[]} */
  #frames = []
  #source
  #choose

  /** @param {Source} source @param {(place: number) => void} choose */
  constructor(source, choose) {
    this.#source = source
    this.#choose = choose
  }
  /** Mark the picture that is shown; only that one is reached by Tab, the others by the arrows.
   * @param {Entry} entry @param {number} place */
  show(entry, place) {
    if (this.#shown !== entry) this.#fill(entry)
    const isWithin = focusedIn(this.element)
    this.#frames.forEach((frame, at) => {
      frame.toggleAttribute("aria-current", false)
      frame.tabIndex = at === place ? 0 : -1
    })
    const current = this.#frames.at(place)
    current?.setAttribute("aria-current", "true")
    if (isWithin) current?.focus()
    current?.scrollIntoView({ block: "nearest", inline: "nearest" })
  }
  /** Show the small pictures that have come. */
  draw() {
    this.#shown?.pictures.forEach(({ mark }, place) => {
      const small = this.#source.small(mark)
      const image = this.#frames[place]?.querySelector("img")
      if (!small || !image || image.getAttribute("src")) return
      image.src = small
      image.hidden = false
    })
  }
  /** @param {Entry} entry */
  #fill(entry) {
    const { mark, pictures } = this.#shown = entry
    const isSeries = pictures.length > 1
    this.element.setAttribute("aria-label", `Pictures of ${mark}`)
    this.element.hidden = !isSeries
    this.#frames = isSeries ? pictures.map((picture, place) => this.#frame(picture.mark, place, pictures.length)) : []
    this.element.replaceChildren(...this.#frames)
    if (isSeries) pictures.filter(picture => this.#source.small(picture.mark) === undefined).forEach(picture => this.#source.want(picture.mark))
    this.draw()
  }
  /** @param {string} mark @param {number} place @param {number} count */
  #frame(mark, place, count) {
    return h("button", { type: "button", class: "sd-frame", "aria-label": `${mark}, ${ofSeries(place, count)}`, onclick: () => this.#choose(place) },
      h("img", { alt: "", hidden: true }), h("span", { "aria-hidden": "true" }, place + 1))
  }
}
