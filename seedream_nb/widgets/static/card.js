// A card of the history: a generation's pictures, one at a time, and what can be done with them.
// @ts-check
/* global h, iconButton, deliberate, ofSeries, alarm */

/** Milliseconds that a card says what was done; a screen reader has said it at once. */
const SAID_FOR = 6000

/** What a card asks of the wall that it is on.
 * @typedef {{
 *   ask: (what: string, fields: object) => Promise<any>,
 *   view: (entry: any, place: number) => void, copy: (entry: any) => Promise<string>, download: (mark: string) => Promise<any>,
 *   draft: () => any, small: (mark: string) => string | null | undefined, want: (mark: string) => void, speak: (text: string) => void,
 * }} Wall */
/** @typedef {{element: HTMLElement, face: HTMLElement, entry: any, place: number, picture: () => void, star: (on: boolean) => void}} Card */

/** @param {any} entry @param {Wall} wall @param {number} [start] @returns {Card} */
export function card(entry, wall, start = 0) {
  const { pictures } = entry
  const image = h("img", { alt: "", decoding: "async", draggable: "true", ondragstart: carry })
  const none = h("span", { class: entry.runs ? "sd-noimage sd-soon" : "sd-noimage" })
  const face = h("button", { type: "button", class: "sd-face", disabled: !pictures.length, onclick: () => wall.view(entry, made.place) }, image, none)
  const mark = h("span", { class: "sd-mark" })
  const series = h("span", { class: "sd-series" })
  const said = h("div", { class: "sd-said" })
  const size = h("span", {})
  const isMeant = deliberate()
  const use = pictures.length ? iconButton("use", "Use as reference", () => act(wall.ask("use", { mark: chosen().mark }), () => `${chosen().mark} is a reference now.`)) : null
  const save = pictures.length ? iconButton("download", "Download", () => act(wall.download(chosen().mark))) : null
  const star = iconButton("star", "Star", () => act(wall.ask("star", { generation: entry.id, on: !entry.starred })))
  const actions = h("div", { class: "sd-actions" }, use,
    entry.runs ? null : iconButton("again", "Run again", event => isMeant(event) && act(wall.ask("rerun", { generation: entry.id }), () => "It is in the queue.")),
    iconButton("edit", "Edit request", () => act(wall.ask("edit", { generation: entry.id, form: wall.draft() }))),
    iconButton("code", "Copy as cell", () => act(wall.copy(entry), told => told)),
    star, save)
  for (const each of /** @type {any} */ (actions.children)) { // the name is shown on the card, at once, for the keyboard too
    each.dataset.tip = each.title
    each.removeAttribute("title")
  }
  const turn = pictures.length < 2 ? null : h("div", { class: "sd-turn", role: "group", "aria-label": `Pictures of ${entry.mark}`, onkeydown: key },
    iconButton("left", "Previous picture", () => go(-1)), series, iconButton("right", "Next picture", () => go(1)))
  const from = entry.sources.length ? h("span", { class: "sd-from" }, ` from ${entry.sources.join(", ")}`) : null
  const seconds = entry.seconds === null ? "" : `${entry.seconds.toFixed(entry.seconds < 10 ? 1 : 0)} s`

  const element = h("div", { class: "sd-card", role: "listitem", "aria-label": entry.prompt, "aria-busy": entry.runs ? "true" : null },
    face, said, mark, entry.sandbox && h("span", { class: "sd-mark sd-badge" }, "sandbox"), turn,
    h("div", { class: "sd-caption", title: entry.prompt }, entry.prompt, from),
    h("div", { class: "sd-meta" }, size, h("span", {}, seconds)), actions)
  const made = { element, face, entry, place: Math.max(0, Math.min(start, pictures.length - 1)), picture, star: starred }

  const chosen = () => pictures[made.place]
  /** Say which picture is chosen, and show it. */
  function draw() {
    const now = chosen()
    mark.textContent = now && pictures.length > 1 ? now.mark : entry.mark
    series.textContent = ofSeries(made.place, pictures.length)
    size.textContent = now ? `${now.width}×${now.height}` : entry.error && entry.status
    face.setAttribute("aria-label", now ? `View ${pictures.length > 1 ? now.mark : entry.mark}` : `${entry.mark}: ${entry.error || entry.status}`)
    if (now) image.setAttribute("data-picture", now.mark)
    if (pictures.length > 1) for (const each of [use, save]) each.dataset.tip = `${each.getAttribute("aria-label")}: ${now.mark}`
    picture()
  }
  /** Show the chosen picture, as far as it is known; what is shown already is not touched, or it would be laid out anew. */
  function picture() {
    const now = chosen()
    const small = now && wall.small(now.mark)
    const told = !now ? entry.error || entry.status : small === null ? "its file is gone, or damaged" : ""
    if (none.textContent !== told) none.textContent = told
    image.toggleAttribute("hidden", !now || small === null)
    if (!small) image.removeAttribute("src")
    else if (image.getAttribute("src") !== small) image.src = small
  }
  /** @param {number} way */
  function go(way) {
    made.place = (made.place + way + pictures.length) % pictures.length
    wall.want(chosen().mark)
    draw()
    wall.speak(`${chosen().mark}, ${ofSeries(made.place, pictures.length)}`)
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return
    event.preventDefault()
    event.stopPropagation()
    go(event.key === "ArrowLeft" ? -1 : 1)
  }
  /** @param {DragEvent} event */
  function carry(event) {
    event.dataTransfer?.setData("text/html", `<img data-seedream="${chosen().mark}">`)
  }
  /** @param {boolean} on */
  function starred(on) {
    entry.starred = on
    star.setAttribute("aria-pressed", String(on))
  }
  /** @type {any} */
  let timer
  /** Tell over the picture what has become of an action: where the person looks, and where nothing is moved by it.
   * @param {Promise<any>} doing @param {(answer: any) => string} [words] */
  async function act(doing, words) {
    clearTimeout(timer)
    said.replaceChildren()
    try {
      const text = words?.(await doing)
      if (text) {
        wall.speak(text)
        said.replaceChildren(h("div", { class: "sd-hint" }, text))
        timer = setTimeout(() => said.replaceChildren(), SAID_FOR)
      } else await doing
    } catch (error) {
      const { told, fields } = /** @type {Refusal} */ (error)
      const problems = Object.values(fields || {}).flat()
      said.replaceChildren(alarm(problems.length ? problems : told))
    }
  }
  starred(entry.starred)
  draw()
  return made
}
