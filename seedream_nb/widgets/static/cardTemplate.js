// What a card is made of. One of each kind is built, of which the browser itself makes copies: a history has thousands,
// and what a script makes, or listens to, one by one costs it time in every scroll.
// @ts-check

import { ACTIONS } from "./actions.js"
import { h, iconButton } from "./dom.js"
/** @import { Action, Kind } from "./actions.js" */
/** @import { Icon } from "./dom.js" */
/** @import { Entry } from "./protocol.js" */

/** A card without what is in it, and that. @typedef {{shell: HTMLElement, content: DocumentFragment}} Template */

/** @type {Map<string, Template>} */
const TEMPLATES = new Map()
/** Buttons in a row where a card is too narrow for all: the style sheet knows it too. */
const NARROW = 3

/** A card with nothing in it, and what is to be put there: without words, its picture without an address. What is done at
 * a press is named by `data-do`.
 * @param {Entry} entry */
export function cardTemplate({ pictures, runs, sandbox }) {
  const kind = [Math.min(2, pictures.length), runs, sandbox].join()
  const template = TEMPLATES.get(kind) ?? built({ count: pictures.length, runs }, sandbox)
  TEMPLATES.set(kind, template)
  return {
    shell: () => /** @type {HTMLElement} */ (template.shell.cloneNode()),
    content: () => template.content.cloneNode(true),
  }
}

/** @param {Kind} kind @param {boolean} sandbox @returns {Template} */
function built({ count, runs }, sandbox) {
  const face = h("button", { type: "button", class: runs ? "sd-face sd-soon" : "sd-face", disabled: !count, "data-do": "view" },
    h("img", { alt: "", decoding: "async", draggable: "true" }))
  const turn = h("div", { class: "sd-turn", role: "group" },
    button("previous", "left", "Previous picture"), h("span", { class: "sd-series" }), button("next", "right", "Next picture"))
  const content = new DocumentFragment()
  content.append(...[face, h("span", { class: "sd-mark" }), sandbox && h("span", { class: "sd-mark sd-badge" }, "sandbox"), count > 1 && turn,
    h("div", { class: "sd-caption" }), h("div", { class: "sd-meta" }, h("span", {}), h("span", {})), actions({ count, runs })].filter(each => each !== false))
  return { shell: h("div", { class: count > 1 ? "sd-card sd-several" : "sd-card", role: "listitem", "aria-busy": runs ? "true" : null }), content }
}

/** The buttons of what can be done. Each has its place, also on a card that lacks others; its name is shown on the card, at
 * once, for the keyboard too. @param {Kind} kind */
function actions(kind) {
  const all = /** @type {[string, Action][]} */ (Object.entries(ACTIONS))
  return h("div", { class: "sd-actions" }, all.map(([what, { name, icon, when, inWords }], place) => {
    if (!when(kind) || inWords) return null
    const made = button(what, icon, name)
    made.dataset.tip = name
    made.removeAttribute("title")
    made.style.cssText = `--wide: ${place + 1}; --narrow: ${place % NARROW + 1}`
    return made
  }))
}

/** @param {string} what @param {Icon} name of the icon @param {string} label */
function button(what, name, label) {
  const made = iconButton(name, label)
  made.dataset.do = what
  return made
}
