// Fields of the form: a choice among a few, shapes of pictures, numbers.
// @ts-check

import { drawn, h } from "./dom.js"
/** @import { Content } from "./dom.js" */

/** @typedef {ReturnType<typeof radios>} Radios */

/** A choice among a few values.
 * @param {string} label @param {string} look @param {string[]} values
 * @param {{group: string, draw: (value: string) => Content[], choose: (value: string) => void}} how */
export function radios(label, look, values, { group, draw, choose }) {
  const inputs = values.map(value => h("input", { type: "radio", name: group, value, "aria-label": value, onchange: () => choose(value) }))
  const element = h("div", { role: "radiogroup", "aria-label": label, class: look },
    inputs.map((input, index) => h("label", { title: values[index] }, input, ...draw(values[index]))))
  return {
    element,
    /** @param {string} value */
    show(value) { inputs.forEach(input => { input.checked = input.value === value }) },
  }
}

/** A choice among names that have titles. @param {string} label @param {(name: string) => void} choose */
export function choice(label, choose) {
  const element = h("select", { class: "sd-input sd-choice", "aria-label": label, onchange: () => choose(element.value) })
  let known = ""
  return {
    element,
    /** @param {{name: string, title: string}[]} offers */
    offer(offers) {
      const now = offers.map(({ name }) => name).join()
      if (now !== known) element.replaceChildren(...offers.map(({ name, title }) => h("option", { value: name }, title)))
      known = now
    },
    /** @param {string} name */
    show(name) { element.value = name },
  }
}

/** The shape of a ratio, drawn. @param {string} ratio @returns {Content[]} */
export function shape(ratio) {
  const [wide, high] = ratio.split(":").map(Number)
  const scale = Math.min(22 / wide, 20 / high, Math.sqrt(200 / (wide * high)))
  const [width, height] = [Math.round(wide * scale), Math.round(high * scale)]
  const box = drawn("svg", { width: width + 2, height: height + 2, "aria-hidden": "true" }, drawn("rect", { x: 1, y: 1, width, height, rx: 2 }))
  return [h("span", { class: "sd-shape" }, box), h("span", {}, ratio)]
}

/** A whole number. @param {string} label @param {number} min @param {number} max @param {(value: number) => void} act */
export function number(label, min, max, act) {
  let held = min
  const element = h("input", {
    type: "number", class: "sd-input sd-number", min, max, step: 1, "aria-label": label,
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
