// What is dropped or pasted on the panel, from the page, from other windows and from JupyterLab's own file browser.
// @ts-check

import { stop } from "./dom.js"
import { isOfPictures } from "./incoming.js"
/** @import { Arrivals } from "./incoming.js" */

const PATHS = "application/x-jupyter-icontents"
/** Of JupyterLab's own drags: by name, whether the place is lit then. */
const LAB_DRAGS = { "lm-dragenter": true, "lm-dragover": true, "lm-dragleave": false, "lm-drop": false }

/** A drag of JupyterLab's own, which is no native one.
 * @typedef {Event & {mimeData?: {hasData: (type: string) => boolean, getData: (type: string) => string[]}, dropAction: string, proposedAction: string}} LabDrag */

/** Take what is dropped or pasted on an element: from anywhere in it files, else what is in the tray's own part.
 * @param {HTMLElement} whole
 * @param {{zone: HTMLElement, section: HTMLElement, incoming: Arrivals, isMoving: () => boolean, signal: AbortSignal}} tray */
export function dropsOn(whole, tray) {
  nativeDrops(whole, tray)
  pastes(whole, tray)
  for (const [name, on] of Object.entries(LAB_DRAGS)) {
    whole.addEventListener(name, event => labDrag(/** @type {LabDrag} */ (event), on, tray), { signal: tray.signal })
  }
}

/** @param {HTMLElement} zone @param {boolean} on */
function light(zone, on) {
  zone.classList.toggle("sd-over", on)
}

/** @param {HTMLElement} whole @param {{zone: HTMLElement, section: HTMLElement, incoming: Arrivals, isMoving: () => boolean, signal: AbortSignal}} tray */
function nativeDrops(whole, { zone, section, incoming, isMoving, signal }) {
  const isOurs = (/** @type {DragEvent} */ event) => section.contains(/** @type {Node} */ (event.target)) || event.dataTransfer?.types.includes("Files")
  whole.addEventListener("dragover", event => {
    if (!isOurs(event)) return
    stop(event)
    if (!isMoving()) light(zone, true)
  }, { signal })
  whole.addEventListener("dragleave", event => {
    if (!whole.contains(/** @type {Node | null} */ (event.relatedTarget))) light(zone, false)
  }, { signal })
  whole.addEventListener("drop", event => {
    if (!isOurs(event)) return
    stop(event)
    light(zone, false)
    if (!isMoving() && event.dataTransfer) incoming.carried(event.dataTransfer, "What was dropped")
  }, { signal })
}

/** @param {HTMLElement} whole @param {{incoming: Arrivals, signal: AbortSignal}} tray */
function pastes(whole, { incoming, signal }) {
  whole.addEventListener("paste", event => {
    const data = event.clipboardData
    if (!data) return
    const inText = event.target instanceof Element && event.target.matches("textarea, input:not([type=radio], [type=checkbox])")
    if (isOfPictures(data.types, inText)) {
      stop(event)
      incoming.files([...data.files])
    } else if (!inText) incoming.carried(data, "What was pasted")
  }, { signal })
}

/** @param {LabDrag} event @param {boolean} on @param {{zone: HTMLElement, incoming: Arrivals}} tray */
function labDrag(event, on, { zone, incoming }) {
  if (!event.mimeData?.hasData(PATHS)) return
  stop(event)
  light(zone, on)
  event.dropAction = event.proposedAction
  if (event.type === "lm-drop") incoming.paths(event.mimeData.getData(PATHS))
}
