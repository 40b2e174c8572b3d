// The panel: form and tray beside the stage, and the gallery below.
// @ts-check

import { h } from "./dom.js"
import { gallery } from "./gallery.js"
import { generate } from "./generate.js"
import { header } from "./header.js"
import { notices } from "./notices.js"
import { options } from "./options.js"
import { prompt } from "./prompt.js"
import { stage } from "./stage.js"
import { tray } from "./tray.js"
import { widget } from "./widget.js"
/** @import { Component } from "./widget.js" */

/** @type {Component} */
function panel(root, store, { signal }) {
  root.classList.add("sd-panel")
  root.setAttribute("role", "region")
  root.setAttribute("aria-label", "Seedream")
  const top = h("header", { class: "sd-head" })
  const [fields, references, order, choices, result, history] = [1, 2, 3, 4, 5, 6].map(() => h("section", { class: "sd-field" }))
  fields.classList.add("sd-writing")
  references.classList.add("sd-inputs")
  order.className = "sd-order"
  choices.className = "sd-options"
  result.className = "sd-result"
  history.className = "sd-gallery"
  const news = h("div", {})
  root.append(top, news, h("div", { class: "sd-body" },
    h("div", { class: "sd-form" }, fields, references, order, choices), result, h("div", { class: "sd-past" }, history)))
  header(top, store, { signal })
  notices(news, store, { signal })
  const { insert, focus } = prompt(fields, store, { signal })
  tray(references, store, { signal, whole: root, insert })
  options(choices, store, { signal })
  generate(order, store, { signal })
  const { doing, search } = gallery(history, store, { signal, insert })
  stage(result, store, { signal, around: { ...doing, insert, search, writing: focus } })
}

export default widget(panel)
