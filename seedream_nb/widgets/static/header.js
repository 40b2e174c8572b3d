// The head of the panel: where requests go, and what this session has made and spent.
// @ts-check

import { h } from "./dom.js"
import { money } from "./text.js"
/** @import { Store } from "./store.js" */

/** @param {HTMLElement} root @param {Store} store @param {{signal: AbortSignal}} callbacks */
export function header(root, store, { signal }) {
  const where = h("span", { class: "sd-where" })
  const spent = h("span", { class: "sd-spent" })
  root.append(h("strong", {}, "Seedream"), where, spent)
  store.follow(({ host, free, spent: { pictures, dollars } }) => {
    where.textContent = host
    where.classList.toggle("sd-badge", free)
    const made = `${pictures} ${pictures === 1 ? "picture" : "pictures"} · ${free ? "free" : money(dollars)}`
    spent.replaceChildren(h("span", { class: "sd-long" }, "this session "), made)
  }, signal)
}
