// What a card is made of. One of each kind is built, of which the browser itself makes copies: a history has thousands,
// and what a script makes, or listens to, one by one costs it time in every scroll.
// @ts-check

import { h, iconButton } from "./common.js"

/** @typedef {{shell: any, content: any}} Mold a card without what is in it, and that */

/** @type {Map<string, Mold>} */
const MOLDS = new Map()

/** A card with nothing in it, and what is to be put there: without words, its picture without an address. What is done at
 * a press is named by `data-do`.
 * @param {any} entry */
export function cast({ pictures, runs, sandbox }) {
  const kind = [Math.min(2, pictures.length), runs, sandbox].join()
  const mold = MOLDS.get(kind) ?? molded(pictures.length, runs, sandbox)
  MOLDS.set(kind, mold)
  return { shell: () => mold.shell.cloneNode(), content: () => mold.content.cloneNode(true) }
}

/** @param {number} count of pictures @param {boolean} runs @param {boolean} sandbox @returns {Mold} */
function molded(count, runs, sandbox) {
  const face = h("button", { type: "button", class: runs ? "sd-face sd-soon" : "sd-face", disabled: !count, "data-do": "view" },
    h("img", { alt: "", decoding: "async", draggable: "true" }))
  const turn = h("div", { class: "sd-turn", role: "group" },
    pressed("previous", "left", "Previous picture"), h("span", { class: "sd-series" }), pressed("next", "right", "Next picture"))
  const actions = h("div", { class: "sd-actions" },
    count ? pressed("use", "use", "Use as reference") : null, !runs && pressed("again", "again", "Run again"), pressed("edit", "edit", "Edit request"),
    pressed("code", "code", "Copy as cell"), pressed("star", "star", "Star"), count ? pressed("download", "download", "Download") : null)
  for (const each of /** @type {any} */ (actions.children)) { // the name is shown on the card, at once, for the keyboard too
    each.dataset.tip = each.title
    each.removeAttribute("title")
  }
  const content = new DocumentFragment()
  content.append(...[face, h("span", { class: "sd-mark" }), sandbox && h("span", { class: "sd-mark sd-badge" }, "sandbox"), count > 1 && turn,
    h("div", { class: "sd-caption" }), h("div", { class: "sd-meta" }, h("span", {}), h("span", {})), actions].filter(Boolean))
  return { shell: h("div", { class: count > 1 ? "sd-card sd-several" : "sd-card", role: "listitem", "aria-busy": runs ? "true" : null }), content }
}

/** @param {string} what @param {any} name of the icon @param {string} label */
function pressed(what, name, label) {
  const button = iconButton(name, label)
  button.dataset.do = what
  return button
}
