// What all pieces share.
// @ts-check
/** @import { Kernel } from "./line.js" */

/** @typedef {{get: (name: string) => any, set: Function, save_changes: Function, send: Function, on: Function, off: Function, widget_manager: any}} Model */
/** @typedef {{told: string[], fields: Record<string, string[]>, nearest?: [number, number]}} Refusal what a question is broken with */
/** @typedef {{kernel: Kernel, store: any, leave: Function[]}} Context */
/** @typedef {{prompt: string, size: string, aspect: string, width: number, height: number, max_images: number, watermark: boolean}} Draft */

export const MOST_REFERENCES = 10
export const MOST_IMAGES = 15
/** One message over 10 MiB closes JupyterLab's connection without a word; Colab is said to fail from 1 MB. */
export const CHUNK_BYTES = "google" in globalThis ? 500_000 : 4_000_000
/** Milliseconds in which a second press is no press of its own, but a double click, a tremor, a key held down. */
const AGAIN_AFTER = 600

// -- pure functions -------------------------------------------------------------------------------

/** Seconds as people read them: `12 s`, `1:05 min`.
 * @param {number} seconds */
export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`
}

/** An amount of dollars, with as many decimals as it has, at least two.
 * @param {number} dollars */
export function money(dollars) {
  const [whole, decimals] = dollars.toFixed(4).split(".")
  return `${whole}.${decimals.replace(/0{1,2}$/, "")} USD`
}

/** What the Generate button says of the bill.
 * @param {number} count @param {number} price @param {boolean} free */
export function estimate(count, price, free) {
  const most = Math.min(Math.max(Math.round(count) || 1, 1), MOST_IMAGES)
  const pictures = most === 1 ? "1 picture" : `up to ${most} pictures`
  if (free) return `${pictures} · free`
  return `${pictures} · ${most === 1 ? "" : "≤ "}${money(most * price)}`
}

/** How many references there are, and how many pictures in all; `over` if that is too many.
 * @param {number} references @param {number} count */
export function counter(references, count) {
  const all = references + count
  const over = references > MOST_REFERENCES || all > MOST_IMAGES
  const sum = references ? ` · ${references} + ${count} pictures of ${MOST_IMAGES}` : ""
  return { text: `${references} of ${MOST_REFERENCES}${sum}`, over }
}

/** How the prompt calls a reference: in a prompt with more Han characters than Latin words, 图1.
 * @param {string} prompt @param {number} number */
export function spoken(prompt, number) {
  const han = (prompt.match(/\p{Script=Han}/gu) || []).length
  const latin = (prompt.match(/\p{Script=Latin}+/gu) || []).length
  return han > latin ? `图${number}` : `image ${number}`
}

/** A text with a word put at the cursor, spaces around it where words would touch; and where the cursor is then.
 * @param {string} text @param {number} start @param {number} end @param {string} word */
export function inserted(text, start, end, word) {
  const before = text.slice(0, start)
  const after = text.slice(end)
  const left = before && !/[\s(（“"'，。、]$/.test(before) && !/\p{Script=Han}/u.test(word + before.slice(-1)) ? " " : ""
  const right = after && !/^[\s.,;:!?)）”"'，。、]/.test(after) && !/\p{Script=Han}/u.test(word + after[0]) ? " " : ""
  return { text: before + left + word + right + after, cursor: before.length + left.length + word.length }
}

/** Where the pieces of a file begin and end.
 * @param {number} size @param {number} [most] */
export function pieces(size, most = CHUNK_BYTES) {
  const found = []
  for (let start = 0; start < size; start += most) found.push([start, Math.min(size, start + most)])
  return found
}

/** How many words a prompt has; Han characters count one by one.
 * @param {string} prompt */
export function counted(prompt) {
  const han = (prompt.match(/\p{Script=Han}/gu) || []).length
  const words = prompt.replace(/\p{Script=Han}/gu, " ").split(/\s+/).filter(each => /[\p{L}\p{N}]/u.test(each)).length
  const told = []
  if (words || !han) told.push(words === 1 ? "1 word" : `${words} words`)
  if (han) told.push(`${han} characters`)
  return told.join(" + ")
}

/** Tells presses that are meant from the rest of a double click and from a key held down: pictures cost money.
 * After `anew()`, for something else was asked for meanwhile, the next press is the first again.
 * @param {() => number} [now] milliseconds
 * @returns {((event?: any) => boolean) & {anew: () => void}} */
export function deliberate(now = () => performance.now()) {
  let last = -Infinity
  /** @param {any} [event] */
  const isMeant = event => {
    const at = now()
    const since = at - last
    last = at
    return since >= AGAIN_AFTER && !event?.repeat && !(event?.detail > 1)
  }
  return Object.assign(isMeant, { anew: () => { last = -Infinity } })
}

/** What an entry's picture is called among those of its series; nothing where it is alone.
 * @param {number} place @param {number} count */
export function ofSeries(place, count) {
  return count > 1 ? `${place + 1} of ${count}` : ""
}

/** How the entries that a page shows become those that there are: which go, which are new, and whether too many are new
 * to be put there one by one.
 * @param {number[]} shown ids, newest first @param {{ids: number[], entries: {id: number}[]}} found */
export function changed(shown, found) {
  const there = new Set(found.ids)
  const known = new Set(shown)
  const fresh = found.ids.filter(id => !known.has(id))
  const sent = new Set(found.entries.map(each => each.id))
  return { gone: shown.filter(id => !there.has(id)), fresh, anew: fresh.some(id => !sent.has(id)) }
}

// -- the page -------------------------------------------------------------------------------------

/** An element with its attributes and what is in it; `on…` are listeners, `null` and false leave an attribute out.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...any} content @returns {any} */
export function h(tag, attributes = {}, ...content) {
  const drawn = ["svg", "path", "rect"].includes(tag)
  const element = drawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? "" : String(value))
  }
  element.append(...content.flat().filter(each => each !== null && each !== undefined && each !== false))
  if (["button", "input", "textarea", "select", "a"].includes(tag) || "tabindex" in attributes) keepKeys(element)
  return element
}

/** Keep from the notebook what is typed while this element has the focus: else `dd` deletes the cell.
 * @param {Element} element */
function keepKeys(element) {
  element.setAttribute("data-lm-suppress-shortcuts", "true")
}

/** Let a click between the controls of this element give the focus to it, and not to the cell around it.
 * @param {HTMLElement} element */
export function ground(element) {
  element.tabIndex = -1
  keepKeys(element)
}

/** Make the element that the host gives a piece of ours, in the panel or alone. @param {HTMLElement} element */
export function piece(element) {
  element.classList.add("sd-piece")
  ground(element)
}

const ICONS = {
  use: "M4 12h11M10 6l6 6-6 6M20 4v16",
  again: "M20 11a8 8 0 1 0-2.3 6.2M20 5v6h-6",
  edit: "M4 20h4L19 9l-4-4L4 16v4M13 7l4 4",
  code: "M8 8H5v11h11v-3M8 5h11v11H8z",
  star: "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  close: "M6 6l12 12M18 6L6 18",
  picture: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.5 9.5h.01",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
}

/** One of each, of which copies are shown: a history has thousands. @type {Map<string, any>} */
const DRAWN = new Map()

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  if (!DRAWN.has(name)) DRAWN.set(name, h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "sd-icon" }, h("path", { d: ICONS[name] })))
  return DRAWN.get(name).cloneNode(true)
}

/** A button with an icon alone; its name is said and shown on hovering.
 * @param {keyof typeof ICONS} name @param {string} label @param {(event: Event) => void} [act] */
export function iconButton(name, label, act) {
  return h("button", { type: "button", class: "sd-small", "aria-label": label, title: label, onclick: act }, icon(name))
}

/** What a bytes-like value of a message is as an address for the page.
 * @param {any} bytes @param {string} type */
export function address(bytes, type) {
  return URL.createObjectURL(new Blob([bytes], { type }))
}

/** The same for a small picture, with the bytes in the address itself: for the other kind the page waits, twice, until the
 * browser's own process has answered, which takes ten times as long; and this one is not to be given back.
 * It is put together of bytes: the browser keeps what it decodes out of the scripts' memory, where a thousand texts of this
 * length would be gone through again and again in search of garbage.
 * @param {any} bytes @param {string} type */
export function inline(bytes, type) {
  const all = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
  const head = new TextEncoder().encode(`data:${type};base64,`)
  const length = head.length + 4 * Math.ceil(all.length / 3)
  if (room.length < length) room = new Uint8Array(2 * length)
  room.set(head)
  base64(all, room.subarray(head.length))
  return new TextDecoder().decode(room.subarray(0, length))
}

/** Where such an address is put together: one for all of them. */
let room = new Uint8Array()

const DIGITS = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
const PAD = 64

/** Write bytes in base64.
 * @param {Uint8Array} bytes @param {Uint8Array} made four bytes for each three, or the rest of three */
export function base64(bytes, made) {
  for (let at = 0, to = 0; at < bytes.length; at += 3) {
    const three = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2]
    made[to++] = DIGITS[three >> 18]
    made[to++] = DIGITS[three >> 12 & 63]
    made[to++] = DIGITS[at + 1 < bytes.length ? three >> 6 & 63 : PAD]
    made[to++] = DIGITS[at + 2 < bytes.length ? three & 63 : PAD]
  }
}

/** What the pieces of one panel share on the page: the draft that is being typed, and the tray as it is known.
 * @param {string} name */
export function shared(name) {
  const all = /** @type {any} */ (globalThis)
  all.__seedream ??= new Map()
  if (!all.__seedream.has(name)) all.__seedream.set(name, new EventTarget())
  const store = all.__seedream.get(name)
  store.draft ??= null
  store.tray ??= []
  store.change = (/** @type {string} */ what, /** @type {any} */ detail) => store.dispatchEvent(new CustomEvent(what, { detail }))
  store.listen = (/** @type {string} */ what, /** @type {(detail: any) => void} */ act) => {
    const heard = (/** @type {any} */ event) => act(event.detail)
    store.addEventListener(what, heard)
    return () => store.removeEventListener(what, heard)
  }
  return store
}

/** Lines of an error, in an element that is read out.
 * @param {string[]} lines */
export function alarm(lines) {
  return h("div", { class: "sd-alarm", role: "alert" }, lines.map(each => h("div", {}, each)))
}
