// Fields of the form: a choice among a few, shapes of pictures, numbers.
// @ts-check

import { h } from "./common.js"

/** @param {string} label @param {string} look @param {string} group @param {string[]} values @param {(value: string) => any[]} draw @param {(value: string) => void} act */
export function radios(label, look, group, values, draw, act) {
  const inputs = values.map(value => h("input", { type: "radio", name: group, value, "aria-label": value, onchange: () => act(value) }))
  const element = h("div", { role: "radiogroup", "aria-label": label, class: look },
    inputs.map((input, index) => h("label", {}, input, draw(values[index]))))
  return {
    element,
    /** @param {string} value */
    choose(value) { inputs.forEach(input => { input.checked = input.value === value }) },
  }
}

/** The shape of a ratio, drawn. @param {string} ratio */
export function shape(ratio) {
  const [wide, high] = ratio.split(":").map(Number)
  const scale = Math.min(34 / wide, 26 / high, Math.sqrt(420 / (wide * high)))
  const [width, height] = [Math.round(wide * scale), Math.round(high * scale)]
  const box = h("svg", { width: width + 2, height: height + 2, "aria-hidden": "true" }, h("rect", { x: 1, y: 1, width, height, rx: 2 }))
  return [h("span", { class: "sd-shape" }, box), h("span", {}, ratio)]
}

/** @param {string} label @param {number} least @param {number} most @param {(value: number) => void} act */
export function number(label, least, most, act) {
  let held = least
  const element = h("input", {
    type: "number", class: "sd-input sd-number", min: least, max: most, step: 1, "aria-label": label,
    oninput: () => { if (/^-?\d{1,9}$/.test(element.value)) act(Number(element.value)) },
    onblur: () => { element.value = String(held) }, // what is no number was not taken
  })
  /** @param {number} value */
  function show(value) {
    held = value
    if (document.activeElement !== element || (element.value && Number(element.value) !== value)) element.value = String(value)
  }
  return { element, show }
}
