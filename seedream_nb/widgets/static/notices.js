// What there is to know before anything else, at the top: that the kernel has ended, and what an earlier one left.
// @ts-check

import { h, iconButton, lines } from "./dom.js"
import { deliberate } from "./press.js"
import { LATE } from "./text.js"
/** @import { Refusal, Unfinished } from "./protocol.js" */
/** @import { Store } from "./store.js" */

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
export function notices(root, store, { signal }) {
  const gone = h("div", { class: "sd-notice sd-gone", role: "alert", hidden: true })
  const kept = h("div", { class: "sd-notice", role: "status", hidden: true })
  root.append(gone, unfinished(store, signal), kept)

  /** @param {string[]} told */
  function end(told) {
    gone.hidden = false
    lines(gone, told)
  }
  store.listen("gone", end, signal)
  if (store.gone) end(store.gone)
  store.follow(({ told, unkept }) => {
    const now = [...unkept ? [unkept] : [], ...told]
    lines(kept, now)
    kept.hidden = !now.length
  }, signal)
}

/** What was under way when an earlier kernel ended, with a way to get what is paid for. @param {Store} store @param {AbortSignal} signal */
function unfinished(store, signal) {
  const isMeant = deliberate()
  const told = h("div", {})
  const said = h("div", { class: "sd-hint", role: "status" })
  const recover = h("button", { type: "button", class: "sd-button", onclick: (/** @type {MouseEvent} */ event) => { if (isMeant(event)) act("recover") } }, "Get the pictures")
  const dismiss = iconButton("close", "Dismiss what was under way", () => { act("dismiss_unfinished") })
  const element = h("section", { class: "sd-notice", "aria-label": "Under way when the kernel ended", hidden: true },
    h("div", { class: "sd-row" }, h("strong", {}, "Under way when the kernel ended"), dismiss), told, recover, said)
  let isAsking = false

  /** @param {"recover" | "dismiss_unfinished"} what */
  async function act(what) {
    if (isAsking) return
    isAsking = true
    said.textContent = what === "recover" ? "Downloading …" : ""
    try {
      await store.ask(what, {}, { late: isLate => { if (isLate && what !== "recover") said.textContent = LATE } })
      said.textContent = ""
    } catch (error) {
      lines(said, /** @type {Refusal} */ (error).told)
    } finally {
      isAsking = false
    }
  }
  /** @param {Unfinished | null} left */
  function show(left) {
    element.hidden = !left
    if (!left) return
    lines(told, left.lines)
    recover.hidden = !left.recoverable
  }
  store.follow(snapshot => show(snapshot.unfinished), signal)
  store.listen("gone", () => { recover.disabled = dismiss.disabled = true }, signal)
  return element
}
