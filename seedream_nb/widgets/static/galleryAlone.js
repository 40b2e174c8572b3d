// The gallery without the panel around it.
// @ts-check

import { h } from "./dom.js"
import { gallery } from "./gallery.js"
import { widget } from "./widget.js"
/** @import { Component } from "./widget.js" */

/** @type {Component} */
function alone(root, store, { signal }) {
  const section = h("section", { class: "sd-gallery" })
  root.append(section)
  gallery(section, store, { signal })
}

export default widget(alone)
