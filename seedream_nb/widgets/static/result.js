// A result on the stage: its picture, large; its series, what made it, and in words what can be done with it.
// @ts-check

import { ACTIONS, actionsOf, isAction } from "./actions.js"
import { inline } from "./bytes.js"
import { alarm, h } from "./dom.js"
import { deliberate } from "./press.js"
import { linesOf } from "./refusal.js"
import { roving } from "./roving.js"
import { Strip } from "./strip.js"
import { money, ofSeries, secondsOf } from "./text.js"
import { thumbnails } from "./thumbnails.js"
/** @import { Action, ActionName, Doing } from "./actions.js" */
/** @import { Entry, Refusal, Result } from "./protocol.js" */

/** What has the most use first; what else the table of actions has comes after these. @type {ActionName[]} */
const FIRST = ["change", "use", "again", "star", "code", "download"]
/** Milliseconds that it says what was done. */
const TOLD_FOR = 6000
/** The longest side of the preview that comes with a result: where more is shown, a sharper one is fetched. */
const PREVIEW_SIDE = 1024

/** What it asks of the stage that it is on. @typedef {Doing & {
 *   look: (mark: string, sharp: boolean) => Promise<DataView | undefined>, small: (marks: string[]) => Promise<{marks: string[], buffers: DataView[]}>,
 *   view: (entry: Entry, at: number) => void, speak: (text: string) => void, changed: () => void,
 * }} Around */

export class Standing {
  at = 0
  /** @type {Result | null} */
  result = null
  #around
  #image = h("img", { class: "sd-canvas", alt: "" })
  #none = h("div", { class: "sd-noimage", hidden: true }, "Its file is missing or damaged.")
  #said = h("div", { class: "sd-said" })
  #shown = h("div", { class: "sd-shown" }, this.#image, this.#none)
  #strip
  #mark = h("strong", {})
  #facts = h("span", {})
  #words = h("div", { class: "sd-words" })
  #buttons = /** @type {Map<string, HTMLButtonElement>} */ (new Map())
  #bar = h("div", { class: "sd-deeds", role: "toolbar", "aria-label": "What can be done with it" })
  #renew
  /** What the strip shows. @type {Entry | undefined} */
  #series
  #isMeant = deliberate()
  /** Small pictures of its series, by their marks. @type {Map<string, string | null>} */
  #small = new Map()
  /** Previews of its series, by their marks. @type {Map<string, string>} */
  #known = new Map()
  /** The marks of those of which a sharp one was asked for. @type {Set<string>} */
  #sharp = new Set()
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /** @param {Around} around */
  constructor(around) {
    this.#around = around
    const want = thumbnails(around.small, (mark, small) => this.#take(mark, small), step => Promise.resolve(step()))
    this.#strip = new Strip({ small: mark => this.#small.get(mark) ?? this.#known.get(mark), want }, at => this.choose(at))
    this.#strip.element.addEventListener("keydown", event => this.#key(event))
    this.#bar.append(...this.#actions())
    this.#renew = roving(this.#bar)
    this.#shown.addEventListener("click", event => { if (event.target === this.#image) this.#open() })
    this.#shown.addEventListener("dragstart", event => { event.dataTransfer?.setData("text/html", `<img data-seedream="${this.chosen?.mark}">`) })
    this.element = h("div", { class: "sd-standing", hidden: true }, this.#shown, this.#said, this.#strip.element,
      h("div", { class: "sd-foot" }, h("div", { class: "sd-made" }, h("div", { class: "sd-facts" }, this.#mark, this.#facts), this.#words), this.#bar))
  }
  get chosen() {
    return this.result?.entry.pictures[this.at]
  }
  /** Show another result, of it the picture of this preview; kept when it is in sight.
   * @param {Result} result @param {number} at @param {DataView} bytes */
  async show(result, at, bytes) {
    this.#small.clear()
    this.#known.clear()
    this.#sharp.clear()
    this.#say()
    this.result = result
    this.at = at
    if (bytes.byteLength && this.chosen) this.#known.set(this.chosen.mark, inline(bytes, "image/jpeg"))
    await this.#picture(!bytes.byteLength)
    this.#draw()
  }
  /** Show what has changed of the same result. @param {Result} result */
  renew(result) {
    this.result = result
    this.at = Math.min(this.at, result.entry.pictures.length - 1)
    this.#draw()
  }
  clear() {
    this.result = null
    this.element.hidden = true
  }
  end() {
    for (const button of this.#buttons.values()) button.disabled = true
  }

  // -- what is shown ------------------------------------------------------------------------------

  #draw() {
    const { result, chosen } = this
    if (!result || !chosen) return
    const { entry, prompt, price, cost, model, others } = result
    const { pictures, seconds, sources, sandbox, starred } = entry
    const from = [...sources, ...others]
    this.#mark.textContent = chosen.mark
    this.#facts.textContent = [
      "", ofSeries(this.at, pictures.length), `${chosen.width}×${chosen.height}`, seconds !== null && secondsOf(seconds),
      sandbox ? "sandbox, free" : cost !== null && money(cost), model, from.length > 0 && `from ${listed(from)}`,
    ].filter(each => each !== false).filter((each, place) => each || !place).join(" · ")
    this.#words.textContent = this.#words.title = prompt
    this.#name("again", price ? ` · ${pictures.length > 1 ? "≤ " : ""}${money(price)}` : "")
    this.#buttons.get("star")?.setAttribute("aria-pressed", String(starred))
    const offered = new Set(actionsOf({ count: pictures.length, runs: entry.runs }).map(([name]) => String(name)))
    for (const [name, button] of this.#buttons) button.hidden = isAction(name) && !offered.has(name)
    this.#image.alt = prompt
    this.element.hidden = false
    if (this.#series?.id !== entry.id || this.#series.pictures.length !== pictures.length) this.#series = entry // else it has what it needs
    this.#strip.show(this.#series, this.at)
    this.#strip.draw()
    this.#renew()
  }
  /** Say more beside the name of an action. @param {ActionName} what @param {string} more */
  #name(what, more) {
    const button = this.#buttons.get(what)
    if (button) button.replaceChildren(ACTIONS[what].name, more)
  }
  /** Show the chosen picture: the small one until a preview is there, and that until a sharp one is. @param {boolean} isGone */
  async #picture(isGone) {
    const { chosen } = this
    if (!chosen) return
    const { mark, width, height } = chosen
    const known = this.#known.get(mark) ?? this.#small.get(mark)
    this.#none.hidden = !isGone
    if (known) await this.#put(mark, known, width, height)
    else if (isGone) this.#image.hidden = true
    if (isGone) return
    if (!this.#known.has(mark)) await this.#better(false)
    this.sharpen()
  }
  /** Fetch a sharp one where this screen has more pixels in its place than it has. */
  sharpen() {
    const { chosen } = this
    if (!chosen || this.#sharp.has(chosen.mark) || !this.#known.has(chosen.mark)) return
    const { width, height } = this.#image.getBoundingClientRect()
    const needed = 0.9 * Math.max(width, height) * devicePixelRatio
    if (needed <= PREVIEW_SIDE || Math.max(chosen.width, chosen.height) <= PREVIEW_SIDE) return
    this.#sharp.add(chosen.mark)
    this.#better(true)
  }
  /** @param {boolean} sharp */
  async #better(sharp) {
    const chosen = /** @type {NonNullable<typeof this.chosen>} */ (this.chosen)
    const bytes = await this.#around.look(chosen.mark, sharp)
    if (this.chosen?.mark !== chosen.mark) return
    if (!bytes?.byteLength) {
      if (!sharp) this.#none.hidden = !(this.#image.hidden = true)
      return
    }
    const address = inline(bytes, "image/jpeg")
    this.#known.set(chosen.mark, address)
    await this.#put(chosen.mark, address, chosen.width, chosen.height)
  }
  /** Put a picture in the place of the one before, once it can be painted: nothing flashes in between.
   * @param {string} mark @param {string} address @param {number} width @param {number} height */
  async #put(mark, address, width, height) {
    if (this.#image.getAttribute("src") === address) { // two pictures may have the same content
      this.#image.dataset.picture = mark
      return
    }
    const next = h("img", { class: "sd-canvas", alt: this.#image.alt, draggable: "true", src: address, "data-picture": mark })
    next.style.setProperty("--ratio", String(width / height))
    next.style.maxWidth = `${width}px`
    await next.decode().catch(() => {})
    if (this.chosen?.mark !== mark) return
    this.#image.replaceWith(next)
    this.#image = next
  }
  /** A small picture has come. @param {string} mark @param {string | null} small */
  #take(mark, small) {
    this.#small.set(mark, small)
    this.#strip.draw()
  }
  /** @param {KeyboardEvent} event */
  #key(event) {
    const count = this.result?.entry.pictures.length ?? 0
    const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: count - 1 }[event.key]
    if (to === undefined || !count) return
    event.preventDefault()
    event.stopPropagation()
    this.choose((to + count) % count)
  }
  /** Show another picture of the same series. @param {number} at */
  choose(at) {
    if (at === this.at) return
    this.at = at
    this.#say()
    this.#draw()
    this.#picture(false)
    if (this.chosen) this.#around.speak(`${this.chosen.mark}, ${ofSeries(at, this.result?.entry.pictures.length ?? 0)}`)
  }

  // -- what is done -------------------------------------------------------------------------------

  #actions() {
    const names = /** @type {ActionName[]} */ ([...new Set([...FIRST, ...Object.keys(ACTIONS)])])
    const made = names.map(name => [name, this.#button(name, ACTIONS[name])])
    const full = h("button", { type: "button", class: "sd-button", onclick: () => this.#open() }, "Full size")
    const all = /** @type {[string, HTMLButtonElement][]} */ (made)
    this.#buttons = new Map([...all.slice(0, FIRST.length), ["full", full], ...all.slice(FIRST.length)])
    return this.#buttons.values()
  }
  /** @param {ActionName} name @param {Action} action */
  #button(name, action) {
    return h("button", { type: "button", class: name === FIRST[0] ? "sd-button sd-first" : "sd-button", "data-do": name, onclick: (/** @type {MouseEvent} */ event) => { this.#act(action, event) } }, action.name)
  }
  #open() {
    if (this.result) this.#around.view(this.result.entry, this.at)
  }
  /** @param {Action} action @param {MouseEvent} event */
  async #act(action, event) {
    const { result, chosen } = this
    if (!result || !chosen || (action.spends && !this.#isMeant(event))) return
    this.#say()
    try {
      const text = await action.act(this.#around, result.entry, chosen)
      if (action === ACTIONS.change) this.#around.changed()
      if (!text) return
      this.#around.speak(text)
      this.#say(h("div", { class: "sd-hint" }, text))
      this.#timer = setTimeout(() => this.#say(), TOLD_FOR)
    } catch (error) {
      this.#say(alarm(linesOf(/** @type {Refusal} */ (error))))
    }
  }
  /** @param {...HTMLElement} content */
  #say(...content) {
    clearTimeout(this.#timer)
    this.#said.replaceChildren(...content)
  }
}

/** Some names as one lists them. @param {string[]} names */
function listed(names) {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]
}
