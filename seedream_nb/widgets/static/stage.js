// The stage: the newest result, large, beside the form.
// @ts-check

/** @import { Store } from "./store.js" */

/** @param {HTMLElement} root @param {Store} _store @param {{signal: AbortSignal}} _callbacks */
export function stage(root, _store, _callbacks) {
  root.setAttribute("aria-label", "Result")
}
