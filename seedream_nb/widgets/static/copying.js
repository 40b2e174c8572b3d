// A cell into the notebook, or onto the clipboard; a file onto the person's disk.
// @ts-check

import { address } from "./bytes.js"
import { h } from "./dom.js"
/** @import { Notebook } from "./protocol.js" */

/** Put a cell below the one that an element is in; returns whether this host lets us.
 * @param {Notebook | undefined} notebook @param {HTMLElement} element @param {string} source */
export function insertBelow(notebook, element, source) {
  if (!notebook?.insertCell) return false
  const cell = element.closest(".jp-Cell")
  const place = cell ? [...cell.parentElement?.querySelectorAll(":scope > .jp-Cell") ?? []].indexOf(cell) : -1
  notebook.insertCell(place < 0 ? notebook.cells.length : place + 1, { cell_type: "code", source, metadata: {} })
  return true
}

/** Put a text onto the clipboard; where that can't be done, for there is no leave or the page is not served safely, show it
 * to be copied by hand. Returns whether it is there. @param {string} text @param {HTMLElement} place */
export async function toClipboard(text, place) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = h("textarea", { class: "sd-input", rows: 4, readonly: true, "aria-label": "The cell" })
    field.value = text
    place.replaceChildren(h("div", { class: "sd-hint" }, "Copy this into a cell:"), field)
    field.select()
    return false
  }
}

/** Let the browser save a file. @param {DataView} bytes @param {string} type @param {string} name */
export function saveFile(bytes, type, name) {
  const link = h("a", { href: address(bytes, type), download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
