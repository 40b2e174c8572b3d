// The options of a request: its size and ratio, how many pictures, the watermark.
// @ts-check

import { h, lines, uniqueId } from "./dom.js"
import { choice, number, radios, shape } from "./fields.js"
/** @import { Radios } from "./fields.js" */
/** @import { Snapshot } from "./protocol.js" */
/** @import { Store } from "./store.js" */

/** @param {string} text */
function label(text) {
  return h("div", { class: "sd-label", "aria-hidden": "true" }, text)
}

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
export function options(root, store, callbacks) {
  sizeFields(root, store, callbacks)
  countFields(root, store, callbacks)
}

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
function sizeFields(root, store, { signal }) {
  const pixels = h("span", { class: "sd-hint" })
  const width = number("Width", 1, 20000, value => store.edit({ width: value }))
  const height = number("Height", 1, 20000, value => store.edit({ height: value }))
  const custom = h("div", { class: "sd-row sd-custom" }, width.element, h("span", { "aria-hidden": "true" }, "×"), height.element)
  const problem = h("div", { class: "sd-problem", role: "alert" })
  const offer = h("button", { type: "button", class: "sd-button", hidden: true, onclick: take })
  const tiers = h("div", {})
  const ratios = h("div", {})
  /** What the model offers. @type {{sizes: Radios, aspects: Radios} | undefined} */
  let offered
  let known = ""
  root.append(h("div", { class: "sd-field" }, h("div", { class: "sd-line" }, tiers, custom, ratios), pixels, problem, offer))

  /** @param {Snapshot} snapshot */
  function choices({ sizes, ratios: all }) {
    const made = {
      sizes: radios("Size", "sd-segments", [...Object.keys(sizes), "Custom"], { group: uniqueId(), draw: value => [h("span", {}, value === "Custom" ? "…" : value)], choose: size => store.edit({ size }) }),
      aspects: radios("Aspect ratio", "sd-ratios", all, { group: uniqueId(), draw: shape, choose: aspect => store.edit({ aspect }) }),
    }
    tiers.replaceChildren(made.sizes.element)
    ratios.replaceChildren(made.aspects.element)
    return made
  }
  function take() {
    const { nearest } = store.order
    if (!nearest) return
    width.element.focus() // for there is nothing to offer any more then
    store.edit({ width: nearest[0], height: nearest[1] })
  }
  function show() {
    if (!store.draft || !store.snapshot) return
    const { size, aspect } = store.draft
    const isCustom = size === "Custom"
    offered?.sizes.show(size)
    offered?.aspects.show(aspect)
    custom.hidden = !isCustom
    ratios.hidden = isCustom
    pixels.textContent = isCustom ? "Width × height in pixels" : `${aspect} · ${store.snapshot.sizes[size]?.[aspect]?.replace("x", " × ") ?? ""} px`
    width.show(store.draft.width)
    height.show(store.draft.height)
  }
  store.listen("filled", show, signal)
  store.listen("draft", show, signal)
  store.followOrder(({ problems, nearest }) => {
    lines(problem, problems.size ?? [])
    offer.hidden = !nearest
    if (nearest) offer.textContent = `Use ${nearest[0]} × ${nearest[1]}`
  }, signal)
  store.follow(snapshot => {
    const now = [...Object.keys(snapshot.sizes), ...snapshot.ratios].join() // another model has others
    if (now !== known) offered = choices(snapshot)
    known = now
    show()
  }, signal)
}

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
function countFields(root, store, { signal }) {
  const id = uniqueId()
  const count = number("Max images", 1, 1, value => store.edit({ max_images: value }))
  const watermark = h("input", { type: "checkbox", id, onchange: () => store.edit({ watermark: watermark.checked }) })
  const model = choice("Model", name => store.edit({ model: name, ...sizeFor(name) }))
  const problem = h("div", { class: "sd-problem", role: "alert" })
  root.append(h("div", { class: "sd-row sd-counts" },
    h("div", { class: "sd-check" }, label("Max images"), count.element),
    h("div", { class: "sd-check", title: "“AI generated” in the corner" }, watermark, h("label", { for: id }, "Watermark")),
    h("div", { class: "sd-check" }, label("Model"), model.element)),
  problem)

  /** A size that another model makes, where it lacks the one that is chosen. @param {string} name */
  function sizeFor(name) {
    const tiers = Object.keys(store.snapshot?.models.find(offer => offer.name === name)?.sizes ?? {})
    const size = store.draft?.size ?? ""
    if (size === "Custom" || tiers.includes(size) || !tiers.length) return {}
    return { size: Number.parseInt(size, 10) < Number.parseInt(tiers[0], 10) ? tiers[0] : tiers[tiers.length - 1] }
  }

  function show() {
    if (!store.draft) return
    count.show(store.draft.max_images)
    watermark.checked = store.draft.watermark
    model.show(store.draft.model)
  }
  store.listen("filled", show, signal)
  store.listen("draft", show, signal)
  store.followOrder(({ problems }) => lines(problem, [...problems.max_images ?? [], ...problems.model ?? []]), signal)
  store.follow(({ most, models }) => {
    count.element.max = String(most.pictures)
    model.offer(models)
    show()
  }, signal)
}
