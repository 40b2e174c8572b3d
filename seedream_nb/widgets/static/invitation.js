// What an empty history shows: how to begin.
// @ts-check

import { h, icon } from "./dom.js"
/** @import { Store } from "./store.js" */

const EXAMPLES = ["A lighthouse at dusk, oil on canvas", "Product photo of a red mug, studio light", "A fox in the snow, ink wash", "一只狐狸在雪地里，水墨画"]

/** What stands where the pictures will be: how to begin, beside a form with examples to begin with.
 * @param {Store} store @param {(text: string) => void} insert */
export function invitation(store, insert) {
  /** @param {string} text */
  function begin(text) {
    if (EXAMPLES.includes(store.draft?.prompt.trim() ?? "")) store.edit({ prompt: "" })
    insert(text)
  }
  const lead = [icon("picture"), h("p", { class: "sd-lead" }, "Your pictures will appear here."), h("p", {}, "Describe the picture, and press Generate.")]
  if (!store.draft) return lead
  const chips = EXAMPLES.map(text => h("button", { type: "button", class: "sd-chip", onclick: () => begin(text) }, text))
  return [...lead, h("div", { class: "sd-examples", role: "group", "aria-label": "Examples" }, h("span", {}, "Or start with one of these:"), chips)]
}
