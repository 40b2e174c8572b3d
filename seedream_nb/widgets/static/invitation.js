// What an empty history shows: how to begin.
// @ts-check

import { h, icon } from "./common.js"

const EXAMPLES = ["A lighthouse at dusk, oil on canvas", "Product photo of a red mug, studio light", "A fox in the snow, ink wash", "一只狐狸在雪地里，水墨画"]

/** What stands where the pictures will be: how to begin, beside a form with examples to begin with. @param {any} store */
export function invitation(store) {
  /** @param {string} text */
  function begin(text) {
    if (EXAMPLES.includes(store.draft.prompt.trim())) {
      store.draft.prompt = ""
      store.change("draft")
    }
    store.change("insert", text)
  }
  const chips = EXAMPLES.map(text => h("button", { type: "button", class: "sd-chip", onclick: () => begin(text) }, text))
  return [icon("picture"), h("p", { class: "sd-lead" }, "Your pictures will appear here."),
    h("p", {}, "Describe the picture, and press Generate."),
    store.draft && h("div", { class: "sd-examples", role: "group", "aria-label": "Examples" }, h("span", {}, "Or start with one of these:"), chips)].filter(Boolean)
}
