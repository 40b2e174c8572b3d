// What a card is made of. One of each kind is built, of which the browser itself makes copies: a history has thousands,
// and what a script makes, or listens to, one by one costs it time in every scroll.
// @ts-check

import { actionsOf } from "./actions.js"
import { h, icon, iconButton } from "./dom.js"
/** @import { Kind } from "./actions.js" */
/** @import { Icon } from "./dom.js" */
/** @import { Entry } from "./protocol.js" */

/** A card without what is in it, and that. @typedef {{shell: HTMLElement, content: DocumentFragment}} Template */

/** @type {Map<string, Template>} */
const TEMPLATES = new Map()

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
    tools: template.content.querySelectorAll(".sd-actions button").length,
  }
}

/** @param {Kind} kind @param {boolean} sandbox @returns {Template} */
function built({ count, runs }, sandbox) {
  const face = h("button", { type: "button", class: runs ? "sd-face sd-soon" : "sd-face", tabindex: "-1", "data-do": "view", "aria-disabled": runs ? "true" : null },
    h("img", { alt: "", decoding: "async", draggable: "true" }), h("span", { class: "sd-check-mark" }, icon("check")))
  const turn = h("div", { class: "sd-turn", role: "group" }, button("previous", "left", "Previous picture"), button("next", "right", "Next picture"))
  const content = new DocumentFragment()
  content.append(...[face, h("span", { class: "sd-mark" }), h("span", { class: "sd-facts-badges" }, count > 1 && h("span", { class: "sd-series" }),
    h("span", { class: "sd-starred", "aria-hidden": "true" }, icon("star")), sandbox && h("span", { class: "sd-of-sandbox" }, "sandbox")),
  count > 1 && turn, actions({ count, runs }), h("div", { class: "sd-prompt-line" }, h("span", { class: "sd-caption" }), h("span", { class: "sd-from" }))].filter(each => each !== false))
  const kind = ["sd-card", count > 1 && "sd-several", !count && !runs && "sd-without"].filter(Boolean).join(" ")
  return { shell: h("div", { class: kind, role: "listitem", "aria-busy": runs ? "true" : null }), content }
}

/** The buttons of what can be done; the keyboard comes to them by the menu. The name of each is shown at once. @param {Kind} kind */
function actions(kind) {
  const shown = actionsOf(kind).filter(([, { inWords }]) => !inWords)
  return h("div", { class: "sd-actions" }, shown.map(([what, { name, icon: drawn }]) => {
    const made = button(what === "download" && kind.count > 1 ? "all" : what, drawn, name)
    made.dataset.tip = name
    made.removeAttribute("title")
    return made
  }))
}

/** @param {string} what @param {Icon} name of the icon @param {string} label */
function button(what, name, label) {
  const made = iconButton(name, label)
  made.dataset.do = what
  made.tabIndex = -1
  return made
}
