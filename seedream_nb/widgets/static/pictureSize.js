// How large the pictures of the history are: chosen with a slider, and kept by the browser, for it is a matter of the screen.
// @ts-check

import { h } from "./dom.js"

export const LOWEST_ROW = 140
export const HIGHEST_ROW = 420
const USUAL_ROW = 190
const ROW_STEP = 10
const SIZE_KEY = "seedream-picture-size"

/** The height that was chosen last, in pixels. */
export function heightKept() {
  const kept = Number(read())
  return kept >= LOWEST_ROW && kept <= HIGHEST_ROW ? kept : USUAL_ROW
}

/** A slider for the height; `change` is called with each. @param {(height: number) => void} change */
export function sizeSlider(change) {
  const slider = h("input", {
    type: "range", class: "sd-slider", min: LOWEST_ROW, max: HIGHEST_ROW, step: ROW_STEP, "aria-label": "Picture size", title: "Picture size",
    oninput: () => { change(slider.valueAsNumber); write(slider.value) }, onkeydown: event => event.stopPropagation(),
  })
  slider.value = String(heightKept())
  return slider
}

function read() {
  try {
    return localStorage.getItem(SIZE_KEY)
  } catch { // where a page may keep nothing, it is as large as ever
    return null
  }
}

/** @param {string} height */
function write(height) {
  try {
    localStorage.setItem(SIZE_KEY, height)
  } catch { /* as above */ }
}
