// The full-size view: a picture as it is on disk, the way to the next, zoom, and what can be done with it.
// @ts-check

import { address, alarm, h, iconButton, ofSeries } from "./common.js"
/** @import { Refusal } from "./common.js" */

/** @typedef {{element: HTMLElement, show: (entry: any, place: number) => void, draw: () => void}} Strip */

/** What the view asks of the wall that it is opened from.
 * @typedef {{
 *   ask: (what: string, fields: object) => Promise<any>, download: (mark: string) => Promise<any>,
 *   small: (mark: string) => string | null | undefined, want: (mark: string) => void, entries: () => any[], more: () => Promise<any>, closed: (entry: any) => void,
 * }} Around */

/** Show the picture at this place of an entry; returns what closes the view, and what draws small pictures that have come.
 * @param {any} first @param {number} start @param {Around} around */
export function view(first, start, around) {
  let at = { entry: first, place: start }
  let source = ""
  const image = h("img", { class: "sd-full", decoding: "async", draggable: "true", onclick: zoom })
  const title = h("div", { class: "sd-title" })
  const said = h("div", { class: "sd-viewsaid" })
  const larger = h("button", { type: "button", class: "sd-button", "aria-pressed": "false", onclick: zoom }, "Zoom")
  const bar = h("div", { class: "sd-row sd-viewbar" }, title, larger,
    h("button", { type: "button", class: "sd-button", onclick: use }, "Use as reference"),
    h("button", { type: "button", class: "sd-button", onclick: () => around.download(shown().mark).catch(fail) }, "Download"),
    iconButton("close", "Close", () => dialog.close()))
  const previous = iconButton("left", "Previous", () => step(-1))
  const next = iconButton("right", "Next", () => step(1))
  const film = strip(around, place => { at = { entry: at.entry, place }; show() })
  const stage = h("div", { class: "sd-stage", tabindex: "0", role: "group", "aria-label": "Picture" }, image, said)
  const dialog = h("dialog", { class: "sd-piece sd-view", "aria-label": "Picture", onkeydown: key, onclose: closed }, bar, previous, stage, next, film.element)

  const shown = () => at.entry.pictures[at.place]
  function release() {
    if (source) URL.revokeObjectURL(source)
    source = ""
  }
  function closed() {
    release()
    dialog.remove()
    around.closed(at.entry)
  }
  function zoom() {
    const on = stage.classList.toggle("sd-zoomed")
    larger.setAttribute("aria-pressed", String(on))
  }
  function use() {
    around.ask("use", { mark: shown().mark }).then(() => dialog.close(), fail)
  }
  /** @param {Refusal} error */
  function fail({ told, fields }) {
    const problems = Object.values(fields || {}).flat()
    said.replaceChildren(alarm(problems.length ? problems : told))
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    event.stopPropagation()
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (way && !(stage.classList.contains("sd-zoomed") && event.target === stage)) { // else they move the large picture
      event.preventDefault()
      step(way)
    }
    if (event.key === "Enter" && event.target === stage) zoom()
  }
  /** @param {number} way */
  async function step(way) {
    let to = beside(way)
    if (!to && way > 0) {
      await around.more()
      to = beside(way)
    }
    if (to) {
      at = to
      show()
    }
  }
  /** The picture before or after this one, in another entry where this has no more. @param {number} way */
  function beside(way) {
    const place = at.place + way
    if (at.entry.pictures[place]) return { entry: at.entry, place }
    const others = around.entries().filter(each => each.pictures.length || each.id === at.entry.id)
    const entry = others[others.findIndex(each => each.id === at.entry.id) + way]
    return entry ? { entry, place: way > 0 ? 0 : entry.pictures.length - 1 } : null
  }
  async function show() {
    const { mark, width, height } = shown()
    const place = ofSeries(at.place, at.entry.pictures.length)
    title.textContent = [mark, place, `${width}×${height}`, at.entry.prompt].filter(Boolean).join(" · ")
    image.alt = at.entry.prompt
    image.src = around.small(mark) || ""
    image.setAttribute("data-picture", mark)
    stage.classList.remove("sd-zoomed")
    larger.setAttribute("aria-pressed", "false")
    said.replaceChildren()
    film.show(at.entry, at.place)
    const made = await around.ask("picture", { mark }).catch(error => { if (shown().mark === mark) fail(error) })
    if (!made || shown().mark !== mark || !dialog.isConnected) return
    release()
    source = image.src = address(made.buffers[0], made.media_type)
  }
  document.body.append(dialog) // where nothing around it can cut it off, or hide it from a tool that checks its colours
  dialog.showModal()
  stage.focus()
  show()
  return { close: () => dialog.close(), draw: film.draw }
}

/** The pictures of a series, small, beside each other; nothing where there is only one.
 * @param {Around} around @param {(place: number) => void} choose @returns {Strip} */
function strip(around, choose) {
  const element = h("div", { class: "sd-strip", role: "group", hidden: true })
  /** @type {any} */
  let shown = null
  /** @param {any} entry */
  function fill(entry) {
    shown = entry
    element.setAttribute("aria-label", `Pictures of ${entry.mark}`)
    element.hidden = entry.pictures.length < 2
    const count = entry.pictures.length
    element.replaceChildren(...(count < 2 ? [] : entry.pictures.map((/** @type {any} */ { mark }, /** @type {number} */ place) =>
      h("button", { type: "button", class: "sd-frame", "aria-label": `${mark}, ${ofSeries(place, count)}`, onclick: () => choose(place) },
        h("img", { alt: "", hidden: true }), h("span", { "aria-hidden": "true" }, place + 1)))))
    if (count > 1) entry.pictures.forEach((/** @type {any} */ { mark }) => { if (around.small(mark) === undefined) around.want(mark) })
    draw()
  }
  function draw() {
    for (const [place, { mark }] of (shown?.pictures ?? []).entries()) {
      const small = around.small(mark)
      const image = element.children[place]?.querySelector("img")
      if (!small || !image || image.getAttribute("src")) continue
      image.src = small
      image.hidden = false
    }
  }
  /** Mark the picture that is shown; only that one is reached by Tab, the others by the arrows.
   * @param {any} entry @param {number} place */
  function show(entry, place) {
    if (shown !== entry) fill(entry)
    const isWithin = element.contains(document.activeElement)
    for (const [at, each] of /** @type {any} */ ([...element.children].entries())) {
      each.toggleAttribute("aria-current", false)
      each.tabIndex = at === place ? 0 : -1
      if (at !== place) continue
      each.setAttribute("aria-current", "true")
      if (isWithin) each.focus()
      each.scrollIntoView({ block: "nearest", inline: "nearest" })
    }
  }
  return { element, show, draw }
}
