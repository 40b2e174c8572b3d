// The prompt, with the way back to what stood in it before.
// @ts-check

import { Braces } from "./braces.js"
import { h, lines, uniqueId } from "./dom.js"
import { counted, inserted } from "./text.js"
/** @import { Store } from "./store.js" */

/** @typedef {ReturnType<typeof prompt>} Prompt */

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
export function prompt(root, store, { signal }) {
  const id = uniqueId()
  const problem = h("div", { class: "sd-problem", id: `${id}-problem`, role: "alert" })
  const words = h("span", {})
  const said = h("div", { class: "sd-spoken", role: "status" })
  const walk = earlierPrompts(store)
  const field = h("textarea", {
    id, rows: 4, class: "sd-input", spellcheck: "true", placeholder: "What should the picture show?",
    "aria-describedby": `${id}-hint ${id}-problem`, oninput: () => { typed(); braces.offer() }, onkeydown: key,
  })
  const braces = new Braces(field, store, { typed, announce: told => { said.textContent = told } })
  root.append(h("div", { class: "sd-row" }, h("label", { for: id, class: "sd-label" }, "Prompt"), waysBack(store, field, signal)), field,
    braces.element, h("div", { class: "sd-hint", id: `${id}-hint` }, words, " · Ctrl+Enter generates · Alt+Up earlier prompts"), problem, said)

  function show() {
    const text = store.draft?.prompt ?? ""
    if (field.value !== text) field.value = text
    words.textContent = counted(text)
  }
  function typed() {
    walk.rest()
    store.edit({ prompt: field.value })
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    event.stopPropagation()
    if (braces.key(event)) return
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      store.order.generate(event)
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault()
      walk.go(event.key === "ArrowUp" ? 1 : -1, field.value)
    }
  }
  for (const name of /** @type {const} */ (["filled", "draft"])) store.listen(name, show, signal)
  store.follow(({ changes }) => {
    field.placeholder = changes ? "What should change?" : "What should the picture show?"
    show()
  }, signal)
  store.followOrder(({ problems }) => {
    lines(problem, problems.prompt ?? [])
    field.setAttribute("aria-invalid", String(Boolean(problems.prompt)))
  }, signal)
  show()
  return {
    focus: () => field.focus(),
    /** Write at the cursor. @param {string} word */
    insert(word) {
      const made = inserted(field.value, field.selectionStart, field.selectionEnd, word)
      field.value = made.text
      field.focus()
      field.setSelectionRange(made.cursor, made.cursor)
      typed()
    },
  }
}

/** The buttons that bring back what was there before, and that empty the form.
 * @param {Store} store @param {HTMLElement} field which has the focus then: there what comes is read @param {AbortSignal} signal */
function waysBack(store, field, signal) {
  const undo = h("button", { type: "button", class: "sd-link", hidden: true, onclick: () => act("undo") }, "Undo")
  const clear = h("button", { type: "button", class: "sd-link", hidden: true, title: "Empty prompt, references and options", onclick: () => act("clear") }, "Clear")

  /** @param {"undo" | "clear"} what */
  function act(what) {
    field.focus()
    store.ask(what, { form: store.draft }).catch(() => {})
  }
  function show() {
    if (!store.snapshot) return
    undo.hidden = !store.snapshot.undo
    undo.textContent = undo.title = store.snapshot.undo
    clear.hidden = !store.draft?.prompt.trim() && !store.snapshot.tray.length
  }
  for (const name of /** @type {const} */ (["filled", "draft", "snapshot"])) store.listen(name, show, signal)
  store.listen("gone", () => { undo.disabled = clear.disabled = true }, signal)
  show()
  return h("span", { class: "sd-row sd-links" }, undo, clear)
}

/** The walk through earlier prompts, and back to what was being written. @param {Store} store */
function earlierPrompts(store) {
  /** @type {string[]} */
  let earlier = []
  let place = -1
  let own = ""
  return {
    /** Begin anew with the next step: something was typed. */
    rest() { place = -1 },
    /** @param {number} step @param {string} written */
    async go(step, written) {
      if (place === -1) {
        const found = await store.ask("prompts").catch(() => null)
        if (!found) return
        earlier = found.prompts
        own = written
      }
      place = Math.max(-1, Math.min(earlier.length - 1, place + step))
      store.edit({ prompt: place === -1 ? own : earlier[place] })
    },
  }
}
