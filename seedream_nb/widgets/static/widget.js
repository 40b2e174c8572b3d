// A widget: what a host asks of its module. All views of it share one store.
// @ts-check

import { alarm, ground, h } from "./dom.js"
import { isLive, showLive } from "./live.js"
import { Store } from "./store.js"
/** @import { Model, Refusal } from "./protocol.js" */

/** A component: it shows the store in an element until the signal comes.
 * @typedef {(root: HTMLElement, store: Store, callbacks: {signal: AbortSignal}) => void} Component */

/** A widget that shows this. The host asks for one for each model. @param {Component} component */
export function widget(component) {
  return () => {
    /** @type {Store} */
    let store
    return {
      /** @param {{model: Model}} context */
      initialize({ model }) {
        store = new Store(model)
        return () => store.close()
      },
      /** @param {{el: HTMLElement}} context */
      async render({ el }) {
        const leaving = new AbortController()
        el.classList.add("sd-piece")
        if (!await isLive(store.model)) {
          el.append(h("div", { class: "sd-hint" }, "Run this cell again to go on."))
          return () => {}
        }
        showLive(el, store.model, leaving.signal)
        ground(el)
        component(el, store, { signal: leaving.signal })
        store.enter().catch(error => el.prepend(alarm(/** @type {Refusal} */ (error).told)))
        return () => {
          leaving.abort()
          store.leave()
        }
      },
    }
  }
}
