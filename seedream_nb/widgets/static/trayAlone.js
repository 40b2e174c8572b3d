// The tray without the panel around it.
// @ts-check

import { h } from "./dom.js"
import { tray } from "./tray.js"
import { widget } from "./widget.js"
/** @import { Component } from "./widget.js" */

/** @type {Component} */
function alone(root, store, { signal }) {
  const section = h("section", { class: "sd-field" })
  root.append(section)
  tray(section, store, { signal, whole: root })
}

export default widget(alone)
