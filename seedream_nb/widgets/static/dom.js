// Elements of the page.
// @ts-check

/** Any listener: one that wants a more special event is one too. @typedef {{hear(event: Event): void}["hear"]} Listener */
/** @typedef {Record<string, string | number | boolean | null | undefined | Listener>} Attributes */
/** What is put into an element. @typedef {Node | string | number | null | undefined | false} Content */

/** An element with its attributes and what is in it; `on…` are listeners, `null` and false leave an attribute out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Attributes} [attributes] @param {...(Content | Content[])} content @returns {HTMLElementTagNameMap[Tag]} */
export function h(tag, attributes = {}, ...content) {
  const element = document.createElement(tag)
  dress(element, attributes)
  element.append(...content.flat().filter(isThere).map(each => (typeof each === "number" ? String(each) : each)))
  if (["button", "input", "textarea", "select", "a"].includes(tag) || "tabindex" in attributes) keepKeys(element)
  return element
}

/** A part of a drawing.
 * @param {string} tag @param {Attributes} attributes @param {...Node} content */
export function drawn(tag, attributes, ...content) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  dress(element, attributes)
  element.append(...content)
  return element
}

/** @param {Element} element @param {Attributes} attributes */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (typeof value === "function") element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? "" : String(value))
  }
}

/** @param {Content} content @returns {content is Node | string | number} */
function isThere(content) {
  return content !== null && content !== undefined && content !== false
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

/** Keep an event from everybody else. @param {Event} event */
export function stop(event) {
  event.preventDefault()
  event.stopPropagation()
}

/** The element of an event, or the nearest around it that fits. @param {Event} event @param {string} fits */
export function targetOf(event, fits) {
  return event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest(fits)) : null
}

/** The element within this one that has the focus. @param {Element} element */
export function focusedIn(element) {
  const focused = document.activeElement
  return focused instanceof HTMLElement && element.contains(focused) ? focused : null
}

/** Show some lines, each an element of its own; those that are shown already are not said again.
 * @param {HTMLElement} element @param {string[]} texts */
export function lines(element, texts) {
  const now = texts.join("\n")
  if ((element.dataset.told ?? "") !== now) element.replaceChildren(...texts.map(text => h("div", {}, text)))
  element.dataset.told = now
}

/** Lines of an error, in an element that is read out. @param {string[]} texts */
export function alarm(texts) {
  return h("div", { class: "sd-alarm", role: "alert" }, texts.map(text => h("div", {}, text)))
}

/** A name for an element, which no other on the page has. */
export function uniqueId() {
  return `sd-${Math.random().toString(36).slice(2)}`
}

const ICONS = {
  use: "M4 12h11M10 6l6 6-6 6M20 4v16",
  again: "M20 11a8 8 0 1 0-2.3 6.2M20 5v6h-6",
  edit: "M4 20h4L19 9l-4-4L4 16v4M13 7l4 4",
  code: "M8 8H5v11h11v-3M8 5h11v11H8z",
  star: "M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  remove: "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
  copy: "M8 8H4V4h12v4M8 8h12v12H8z",
  less: "M5 12h14",
  more: "M12 5v14M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  picture: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.5 9.5h.01",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
}
/** @typedef {keyof typeof ICONS} Icon */

/** One of each, of which copies are shown: a history has thousands. @type {Map<Icon, SVGElement>} */
const DRAWN = new Map()

/** @param {Icon} name */
export function icon(name) {
  const made = DRAWN.get(name) ?? drawn("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "sd-icon" }, drawn("path", { d: ICONS[name] }))
  DRAWN.set(name, made)
  return made.cloneNode(true)
}

/** A button with an icon alone; its name is said and shown on hovering.
 * @param {Icon} name @param {string} label @param {Listener} [act] */
export function iconButton(name, label, act) {
  return h("button", { type: "button", class: "sd-small", "aria-label": label, title: label, onclick: act }, icon(name))
}
