// The form: the head of the panel, the prompt, and the options with the Generate button.
// @ts-check

import { alarm, counted, deliberate, estimate, ground, h, inserted, money, piece, shared } from "./common.js"
import { number, radios, shape } from "./fields.js"
import { line } from "./line.js"
/** @import { Context, Refusal } from "./common.js" */

const EMPTY = { prompt: "", size: "2K", aspect: "1:1", width: 2048, height: 2048, max_images: 1, watermark: true }
const CHECK_AFTER = 300

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    /** @type {Function[]} */
    const leave = []
    piece(el)
    const entered = kernel.ask("snapshot") // along with the first question, which would only be another way there and back
    kernel.ask("part").then(({ part, panel }) => {
      const store = shared(panel)
      const parts = new Map([["head", head], ["prompt", prompt], ["options", options]])
      el.replaceChildren(parts.get(part)?.({ kernel, store, leave }))
      return entered
    }).catch(error => el.append(alarm(error.told)))
    return () => {
      kernel.close()
      leave.forEach(each => each())
    }
  },
}

/** Take over what the kernel keeps, if this page has nothing newer.
 * @param {any} store @param {any} snapshot */
function adopt(store, snapshot) {
  store.snapshot = snapshot
  store.tray = snapshot.tray
  if (store.draft === null || snapshot.form_number > store.formNumber) {
    store.draft = { ...EMPTY, ...snapshot.form }
    store.formNumber = snapshot.form_number
    store.change("filled")
  }
  store.change("snapshot")
}

/** @param {Context} context */
function head({ kernel }) {
  const where = h("span", { class: "sd-where" })
  const spent = h("span", { class: "sd-spent" })
  const element = h("header", { class: "sd-head" }, h("strong", {}, "Seedream"), where, spent)
  kernel.onSnapshot(snapshot => {
    where.textContent = snapshot.host
    where.classList.toggle("sd-badge", snapshot.free)
    const { pictures, dollars } = snapshot.spent
    spent.replaceChildren(h("span", { class: "sd-long" }, "this session "), `${pictures} ${pictures === 1 ? "picture" : "pictures"} · ${snapshot.free ? "free" : money(dollars)}`)
    name(element)
  })
  requestAnimationFrame(() => name(element))
  return element
}

/** Make the panel a region that a screen reader can jump to. @param {HTMLElement} element */
function name(element) {
  const panel = /** @type {HTMLElement | null} */ (element.closest(".sd-panel"))
  if (!panel) return
  panel.setAttribute("role", "region")
  panel.setAttribute("aria-label", "Seedream")
  ground(panel)
}

/** @param {Context} context */
function prompt({ kernel, store, leave }) {
  const id = `sd-${Math.random().toString(36).slice(2)}`
  const problem = h("div", { class: "sd-problem", id: `${id}-problem`, role: "alert" })
  const words = h("span", {})
  const undo = h("button", { type: "button", class: "sd-link", hidden: true, onclick: back }, "Undo")
  const field = h("textarea", {
    id, rows: 4, class: "sd-input", spellcheck: "true", placeholder: "What should the picture show?",
    "aria-describedby": `${id}-hint ${id}-problem`, oninput: typed, onkeydown: key,
  })
  /** @type {string[] | null} */
  let earlier = null
  let place = -1
  let own = ""

  function back() {
    field.focus() // where what comes back is read
    kernel.ask("undo", { form: store.draft }).catch(() => {})
  }
  function show() {
    if (field.value !== store.draft.prompt) field.value = store.draft.prompt
    words.textContent = counted(field.value)
  }
  function typed() {
    place = -1
    store.draft.prompt = field.value
    store.change("draft")
    show()
  }
  /** @param {KeyboardEvent} event */
  function key(event) {
    event.stopPropagation()
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      store.change("generate", event)
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault()
      walk(event.key === "ArrowUp" ? 1 : -1)
    }
  }
  /** @param {number} step */
  async function walk(step) {
    if (earlier === null || place === -1) {
      const found = await kernel.ask("prompts").catch(() => null)
      if (!found) return
      earlier = found.prompts
    }
    if (place === -1) own = field.value
    place = Math.max(-1, Math.min((earlier || []).length - 1, place + step))
    store.draft.prompt = place === -1 ? own : (earlier || [])[place]
    store.change("draft")
    show()
  }
  leave.push(
    store.listen("filled", show),
    store.listen("draft", show),
    store.listen("problems", (/** @type {Record<string, string[]>} */ fields) => {
      problem.replaceChildren(...(fields.prompt || []).map(text => h("div", {}, text)))
      field.setAttribute("aria-invalid", String(Boolean(fields.prompt)))
    }),
    store.listen("insert", (/** @type {string} */ word) => {
      const made = inserted(field.value, field.selectionStart, field.selectionEnd, word)
      field.value = made.text
      field.focus()
      field.setSelectionRange(made.cursor, made.cursor)
      typed()
    }),
  )
  kernel.onSnapshot(snapshot => {
    adopt(store, snapshot)
    undo.hidden = !snapshot.undo
    undo.textContent = snapshot.undo
    show()
  })
  return h("section", { class: "sd-field" },
    h("div", { class: "sd-row" }, h("label", { for: id, class: "sd-label" }, "Prompt"), undo),
    field,
    h("div", { class: "sd-hint", id: `${id}-hint` }, words, " · Ctrl+Enter generates · Alt+Up earlier prompts"),
    problem)
}

/** @param {Context} context */
function options({ kernel, store, leave }) {
  const group = `sd-${Math.random().toString(36).slice(2)}`
  const pixels = h("span", { class: "sd-hint" })
  const sizes = radios("Size", "sd-segments", `${group}-size`, ["1K", "2K", "4K", "Custom"], value => [h("span", {}, value)], value => set({ size: value }))
  const ratios = h("div", {})
  const width = number("Width", 1, 20000, value => set({ width: value }))
  const height = number("Height", 1, 20000, value => set({ height: value }))
  const custom = h("div", { class: "sd-row" }, width.element, h("span", { "aria-hidden": "true" }, "×"), height.element)
  const count = number("Max images", 1, 15, value => set({ max_images: value }))
  const watermark = h("input", { type: "checkbox", id: `${group}-mark`, onchange: () => set({ watermark: watermark.checked }) })
  const bill = h("span", { class: "sd-bill" })
  const button = h("button", { type: "button", class: "sd-generate", onclick: generate }, h("strong", {}, "Generate"), " ", bill)
  const problems = { size: h("div", { class: "sd-problem", role: "alert" }), max_images: h("div", { class: "sd-problem", role: "alert" }) }
  const offer = h("button", { type: "button", class: "sd-button", hidden: true })
  const said = h("div", {})
  const late = h("div", { class: "sd-hint", role: "status" })
  const isMeant = deliberate()
  let timer = /** @type {any} */ (undefined)
  let checks = 0
  let busy = false
  let refused = false // what stands in the prompt would be, as far as the kernel has looked: then a press does nothing
  let waits = ""

  /** @param {Record<string, any>} changes */
  function set(changes) {
    Object.assign(store.draft, changes)
    store.change("draft")
  }
  function show() {
    const draft = store.draft
    if (!draft || !store.snapshot) return
    const { sizes: table, price, free } = store.snapshot
    sizes.choose(draft.size)
    const isCustom = draft.size === "Custom"
    custom.hidden = !isCustom
    aspects.hidden = isCustom
    if (!isCustom && chosen) chosen.choose(draft.aspect)
    pixels.textContent = isCustom ? "px" : `${table[draft.size][draft.aspect].replace("x", " × ")} px`
    width.show(draft.width)
    height.show(draft.height)
    count.show(draft.max_images)
    watermark.checked = draft.watermark
    bill.textContent = `· ${estimate(draft.max_images, price, free)}`
  }
  function check() {
    const asked = ++checks
    const heard = (/** @type {Partial<Refusal>} */ refusal) => {
      if (asked !== checks) return
      tell(refusal.fields || {}, refusal.nearest)
      refused = Boolean(refusal.fields?.prompt)
      offered()
    }
    refused = false // until it is looked at: a press right after the mending counts
    clearTimeout(timer)
    timer = setTimeout(() => kernel.ask("check", { form: store.draft }).then(() => heard({}), heard), CHECK_AFTER)
  }
  /** Show whether Generate would be taken. */
  function offered() {
    if (busy || refused) button.setAttribute("aria-disabled", "true")
    else button.removeAttribute("aria-disabled")
  }
  /** @param {Record<string, string[]>} fields @param {number[]} [nearest] */
  function tell(fields, nearest) {
    offer.hidden = !nearest
    if (nearest) {
      offer.textContent = `Use ${nearest[0]} × ${nearest[1]}`
      offer.onclick = () => {
        width.element.focus() // for there is nothing to offer any more then
        set({ width: nearest[0], height: nearest[1] })
      }
    }
    for (const [name, element] of Object.entries(problems))
      element.replaceChildren(...(fields[name] || []).map(text => h("div", {}, text)))
    store.change("problems", fields)
  }
  /** Each press that is meant is one request; the rest of a double click buys nothing.
   * @param {Event} event */
  async function generate(event) {
    if (!isMeant(event) || busy || refused || button.disabled) return
    busy = true
    checks++
    button.setAttribute("aria-busy", "true")
    offered() // until it is known what came of this one, another is not taken
    said.replaceChildren()
    clearTimeout(timer)
    try {
      const form = { ...store.draft }
      await arrived()
      await kernel.ask("generate", { form })
      tell({})
    } catch (reason) {
      const error = /** @type {Refusal} */ (reason)
      tell(error.fields, error.nearest)
      const placed = ["prompt", "size", "max_images"].flatMap(name => error.fields[name] || [])
      const rest = error.told.filter(each => !placed.includes(each))
      said.replaceChildren(...(rest.length ? [alarm(rest)] : []))
    } finally {
      busy = false
      button.removeAttribute("aria-busy")
      offered()
    }
  }
  /** Ctrl+Enter in the prompt, which each view of the panel hears: one of them asks. @param {any} event */
  function pressed(event) {
    if (button.closest(".sd-panel")?.contains(event.target) ?? true) generate(event)
  }
  /** Wait for the references that are on their way: a request without them is not what was meant. */
  async function arrived() {
    const coming = [...(store.arrivals ?? [])].map(each => each()).filter(Boolean)
    if (!coming.length) return
    late.textContent = waits = "Waiting for the reference images."
    const came = await Promise.all(coming)
    late.textContent = waits = ""
    if (!came.every(Boolean)) throw { told: ["A reference image did not arrive: see below the references. Nothing was sent, nothing was billed."], fields: {} }
  }
  /** What was said of a press holds no longer than what was pressed for. */
  function changed() {
    if (!button.disabled) said.replaceChildren()
    show()
    check()
  }
  let chosen = /** @type {any} */ (null)
  let where = ""
  const aspects = h("div", { class: "sd-field" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Aspect ratio"), ratios)
  leave.push(store.listen("filled", changed), store.listen("draft", changed), store.listen("draft", isMeant.anew), store.listen("tray", changed), store.listen("generate", pressed), store.listen("snapshot", show))
  kernel.onSnapshot(snapshot => {
    if (!chosen) {
      chosen = radios("Aspect ratio", "sd-ratios", `${group}-ratio`, snapshot.ratios, shape, value => set({ aspect: value }))
      ratios.replaceChildren(chosen.element)
    }
    if (where !== snapshot.host) said.replaceChildren() // there was no key, perhaps
    where = snapshot.host
    adopt(store, snapshot)
    show()
  })
  kernel.onGone(told => {
    button.disabled = true
    said.replaceChildren(alarm(told))
  })
  kernel.onLate(isLate => { late.textContent = isLate && busy ? "Queued until the running cell ends." : waits })
  return h("section", { class: "sd-options" },
    h("div", { class: "sd-field" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Size"), h("div", { class: "sd-row" }, sizes.element, custom, pixels), problems.size, offer),
    aspects,
    h("div", { class: "sd-row sd-counts" },
      h("div", { class: "sd-field" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Max images"), count.element),
      h("div", { class: "sd-check" }, watermark, h("label", { for: `${group}-mark` }, "Watermark"), h("span", { class: "sd-hint" }, "“AI generated” in the corner"))),
    problems.max_images, button, late, said)
}
