// The tray: reference images, dropped, pasted, picked, dragged from the notebook, or named.
// @ts-check

import { counter, h, MOST_REFERENCES, piece, shared } from "./common.js"
import { arrivals, dropsOn, telling } from "./incoming.js"
import { line } from "./line.js"
import { byName } from "./names.js"
import { references } from "./references.js"
/** @import { Arrivals } from "./incoming.js" */
/** @import { Kernel } from "./line.js" */
/** @import { Shelf } from "./references.js" */

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    piece(el)
    const kernel = line(model)
    const told = telling()
    const incoming = arrivals(kernel, told, model.widget_manager?.context?.urlResolver)
    const names = byName(kernel, incoming, told)
    const picker = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => { incoming.files([...picker.files]); picker.value = "" } })
    const add = h("button", { type: "button", class: "sd-button", onclick: () => picker.click() }, "Add images")
    const shelf = references(kernel, told, add)
    const count = h("span", { class: "sd-hint" })
    const zone = h("div", { class: "sd-zone sd-empty", ondragover: shelf.over, ondragleave: shelf.out, ondrop: shelf.drop },
      shelf.list, h("div", { class: "sd-invite" }, h("span", { class: "sd-hint" }, "drop, paste or drag pictures here"), add))
    const section = h("section", { class: "sd-field" },
      h("div", { class: "sd-row" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Reference images"), count),
      zone, names.element, picker, told.element)
    el.replaceChildren(section)

    const leave = follow(kernel, { el, section, zone, count, shelf, incoming })
    kernel.onLate(late => told.late(late))
    kernel.ask("snapshot").catch(() => {})
    return () => {
      incoming.close()
      shelf.close()
      kernel.close()
      leave()
    }
  },
}

/** Show what the kernel says, and count it; returns what ends that.
 * @param {Kernel} kernel
 * @param {{el: HTMLElement, section: HTMLElement, zone: HTMLElement, count: HTMLElement, shelf: Shelf, incoming: Arrivals}} parts */
function follow(kernel, { el, section, zone, count, shelf, incoming }) {
  /** @type {Function[]} */
  const leave = []
  let store = shared("alone")
  let known = ""
  let isWired = false
  let isClosed = false

  /** @param {string} panel */
  function wire(panel) {
    if (isWired) return
    isWired = true
    store = shared(panel)
    const arrivals = (store.arrivals ??= new Set()) // for Generate, which waits for what is on its way
    arrivals.add(incoming.arrived)
    leave.push(store.listen("draft", tally), store.listen("filled", tally), () => arrivals.delete(incoming.arrived))
  }
  /** From the first moment on: a file that nobody takes is opened by the browser in place of the notebook. */
  function listen() {
    if (isClosed) return
    if (!el.isConnected) return requestAnimationFrame(listen)
    leave.push(dropsOn(el.closest(".sd-panel") ?? el, zone, section, shelf, incoming))
  }
  function tally() {
    const made = counter(shelf.held().length, store.draft?.max_images ?? 1)
    // Used alone it has no form: nobody knows how many pictures are to come.
    count.textContent = store.draft ? made.text : made.text.split(" · ")[0]
    count.classList.toggle("sd-wrong", made.over)
    shelf.label()
  }
  kernel.onSnapshot(snapshot => {
    wire(snapshot.panel)
    store.tray = snapshot.tray
    shelf.show(snapshot.tray, store)
    incoming.room = MOST_REFERENCES - snapshot.tray.length
    zone.classList.toggle("sd-empty", snapshot.tray.length === 0)
    tally()
    const now = JSON.stringify(snapshot.tray)
    if (now === known) return
    known = now
    store.change("tray")
  })
  listen()
  kernel.onGone(() => incoming.breakOff(!store.draft))
  return () => {
    isClosed = true
    leave.forEach(each => each())
  }
}
