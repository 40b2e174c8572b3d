// Whether a kernel stands behind a widget. The notebook of a panel also holds a static output, for when none does: a live
// panel hides it.
// @ts-check

import { h } from "./dom.js"
/** @import { Model } from "./protocol.js" */

/** Whether a kernel made this model: one that was restored from a notebook's file has none, and nobody answers.
 * @param {Model} model */
export async function isLive(model) {
  const id = model.get?.("identity")
  const known = id ? await model.widget_manager?.get_model?.(id).catch(() => undefined) : undefined
  return known?.comm_live !== false
}

/** Say on the page that a panel is live, for as long as the signal does not come.
 * @param {HTMLElement} root @param {Model} model @param {AbortSignal} signal */
export function showLive(root, model, signal) {
  root.classList.add("sd-live")
  const id = model.get?.("identity")
  if (!id) return
  const style = h("style", {}, `.sd-saved-${id} { display: none !important; }`)
  document.head.append(style)
  signal.addEventListener("abort", () => style.remove())
}
