// The tray: reference images, dropped, pasted, picked, dragged from the notebook, or named.
// @ts-check

import { h } from "./dom.js"
import { dropsOn } from "./drops.js"
import { Arrivals } from "./incoming.js"
import { anyLate } from "./kernel.js"
import { Names } from "./names.js"
import { References } from "./references.js"
import { rovingList } from "./roving.js"
import { TrayMessages } from "./trayMessages.js"
import { counter } from "./text.js"
/** @import { Ask } from "./incoming.js" */
/** @import { Store } from "./store.js" */

/** @param {HTMLElement} root @param {Store} store
 * @param {{signal: AbortSignal, whole: HTMLElement, insert?: (word: string) => void}} callbacks drops on `whole` are taken */
export function tray(root, store, { signal, whole, insert = () => {} }) {
  const messages = new TrayMessages()
  const late = anyLate(isLate => messages.late(isLate))
  /** @type {Ask} */
  const ask = (what, fields, buffers) => store.ask(what, fields, { buffers, late })
  const incoming = new Arrivals(ask, messages, store.model.widget_manager?.context?.urlResolver)
  const names = new Names({ ask, take: word => incoming.name(word), emptied: () => messages.clear(), announce: words => messages.announce(words) })
  const picker = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: pick })
  const add = h("button", { type: "button", class: "sd-button", title: "Arrow keys go on to the references", onclick: () => picker.click() }, "Add images")
  const references = new References({
    ask, insert, messages, fallback: add, prompt: () => store.draft?.prompt ?? null, form: () => store.draft,
    look: async number => (await store.ask("thumbnail", { number })).buffers[0],
  })
  rovingList(references.list, add)
  const count = h("span", { class: "sd-hint" })
  const invite = h("span", { class: "sd-hint sd-invite" }, h("span", { class: "sd-spoken" }, "No reference images. "), "drop, paste or drag pictures here")
  const zone = h("div", {
    class: "sd-zone sd-empty", ondragleave: () => references.unmark(),
    ondragover: (/** @type {DragEvent} */ event) => references.over(event), ondrop: (/** @type {DragEvent} */ event) => references.drop(event),
  }, references.list, invite)
  root.append(h("div", { class: "sd-row" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Reference images"), count, add),
    zone, names.element, picker, messages.element)

  function pick() {
    incoming.files([...picker.files ?? []])
    picker.value = ""
  }
  function tally() {
    if (!store.snapshot) return
    const made = counter(references.held.length, store.draft?.max_images ?? 1, store.snapshot.most)
    // Used alone it has no form: nobody knows how many pictures are to come.
    count.textContent = count.title = store.draft ? made.text : made.text.split(" · ")[0]
    count.classList.toggle("sd-wrong", made.over)
    references.label()
  }
  store.follow(snapshot => {
    references.show(snapshot.tray)
    incoming.most = snapshot.most.references
    incoming.room = incoming.most - snapshot.tray.length
    zone.classList.toggle("sd-empty", snapshot.tray.length === 0)
    tally()
  }, signal)
  store.listen("draft", tally, signal)
  store.listen("filled", tally, signal)
  store.listen("gone", () => incoming.breakOff(!store.draft), signal)
  dropsOn(whole, { zone, section: root, incoming, isMoving: () => references.isMoving, signal })
  store.arrivals.add(incoming.arrived) // for Generate, which waits for what is on its way
  signal.addEventListener("abort", () => {
    store.arrivals.delete(incoming.arrived)
    incoming.close()
    references.close()
  })
}
