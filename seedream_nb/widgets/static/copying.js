// A cell into the notebook, or onto the clipboard; a picture onto the clipboard; a file onto the person's disk.
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
  save(address(bytes, type), name)
}

/** @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  save(URL.createObjectURL(blob), name)
}

/** @param {string} url @param {string} name */
function save(url, name) {
  h("a", { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** Whether this browser lets a page put pictures onto the clipboard: not where it is not served safely, as from another machine
 * without https. */
export function canCopyPictures() {
  return typeof ClipboardItem === "function" && Boolean(navigator.clipboard?.write)
}

/** Put a picture onto the clipboard, as a PNG: browsers take no other. It is promised at once, for a browser that asks for the
 * press that it is done for.
 * @param {Promise<Blob>} picture */
export async function pictureToClipboard(picture) {
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture.then(asPng) })])
}

/** @param {Blob} picture */
async function asPng(picture) {
  if (picture.type === "image/png") return picture
  const bitmap = await createImageBitmap(picture)
  const canvas = h("canvas", { width: bitmap.width, height: bitmap.height })
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0)
  bitmap.close()
  return new Promise((/** @type {(made: Blob) => void} */ done, fail) => {
    canvas.toBlob(made => made ? done(made) : fail(new Error("it can't be made a PNG here")), "image/png")
  })
}
