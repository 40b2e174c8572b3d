// The button that buys, with what it costs, and what was said of the last press.
// @ts-check

import { alarm, h } from "./dom.js"
import { estimate } from "./text.js"
/** @import { Store } from "./store.js" */

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
export function generate(root, store, { signal }) {
  const { order } = store
  const bill = h("span", { class: "sd-bill" })
  const button = h("button", { type: "button", class: "sd-generate", onclick: (/** @type {MouseEvent} */ event) => { order.generate(event) } }, h("strong", {}, "Generate"), " ", bill)
  const waits = h("div", { class: "sd-hint", role: "status" })
  const said = h("div", {})
  let told = ""
  root.append(button, waits, said)

  function price() {
    if (store.draft && store.snapshot) bill.textContent = `· ${estimate(store.draft.max_images, store.snapshot)}`
  }
  function show() {
    button.disabled = order.isGone
    flag("aria-busy", order.isBusy)
    flag("aria-disabled", !order.isOffered)
    waits.textContent = order.waits
    const now = order.told.join("\n")
    if (now !== told) said.replaceChildren(...(order.told.length ? [alarm(order.told)] : [])) // else it would be read out again
    told = now
  }
  /** @param {string} name @param {boolean} on */
  function flag(name, on) {
    if (on) button.setAttribute(name, "true")
    else button.removeAttribute(name)
  }
  store.listen("filled", price, signal)
  store.listen("draft", price, signal)
  store.follow(price, signal)
  store.followOrder(show, signal)
}
