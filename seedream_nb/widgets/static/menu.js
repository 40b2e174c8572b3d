// The menu of a card: its actions in words, for who comes to them by keyboard, and where a card has no room for buttons.
// @ts-check

import { actionsOf } from "./actions.js"
import { h, icon, stop } from "./dom.js"
/** @import { ActionName } from "./actions.js" */
/** @import { Card } from "./card.js" */

/** Pixels between the menu and the page's edge. */
const EDGE = 8

/** Open the menu of a card beside it; the focus comes back to the card when it is closed. @param {Card} card */
export function openMenu(card) {
  const { pictures, runs, mark } = card.entry
  const items = actionsOf({ count: pictures.length, runs }).map(([what, { name, icon: drawn }]) => item(card, what, name, drawn))
  const menu = h("div", { class: "sd-piece sd-menu", role: "menu", "aria-label": `What can be done with ${mark}` }, items)
  const closing = new AbortController()
  const { signal } = closing
  const close = (/** @type {boolean} */ isBack) => {
    if (signal.aborted) return
    closing.abort()
    menu.remove()
    if (isBack) card.face.focus({ preventScroll: true })
  }
  menu.addEventListener("click", event => {
    const chosen = items.find(one => event.target instanceof Node && one.contains(event.target))
    if (!chosen) return
    close(true)
    card.act(/** @type {ActionName} */ (chosen.dataset.do), event)
  })
  menu.addEventListener("keydown", event => keys(event, items, () => close(true)))
  menu.addEventListener("focusout", ({ relatedTarget }) => { if (!(relatedTarget instanceof Node && menu.contains(relatedTarget))) close(false) })
  document.addEventListener("pointerdown", event => { if (!(event.target instanceof Node && menu.contains(event.target))) close(false) }, { signal, capture: true })
  addEventListener("resize", () => close(false), { signal })
  addEventListener("scroll", () => close(true), { signal, capture: true, passive: true })
  document.body.append(menu) // where nothing around it can cut it off
  place(menu, card.element)
  items[0]?.focus({ preventScroll: true })
}

/** @param {Card} card @param {string} what @param {string} name @param {Parameters<typeof icon>[0]} drawn */
function item(card, what, name, drawn) {
  const more = what === "star" && card.entry.starred ? "Remove the star" : name
  return h("button", { type: "button", role: "menuitem", class: "sd-menuitem", tabindex: "-1", "data-do": what }, icon(drawn), more)
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} items @param {() => void} close */
function keys(event, items, close) {
  const at = items.findIndex(one => one === document.activeElement)
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key]
  if (to !== undefined) {
    stop(event)
    items[(to + items.length) % items.length].focus()
  } else if (event.key === "Escape" || event.key === "Tab") {
    stop(event)
    close()
  } else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
    stop(event)
    const after = [...items.slice(at + 1), ...items.slice(0, at + 1)]
    after.find(one => one.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus()
  } else event.stopPropagation()
}

/** @param {HTMLElement} menu @param {HTMLElement} card */
function place(menu, card) {
  const at = card.getBoundingClientRect()
  const { width, height } = menu.getBoundingClientRect()
  const left = Math.max(EDGE, Math.min(at.left + EDGE, innerWidth - width - EDGE))
  const top = Math.max(EDGE, Math.min(at.top + EDGE, innerHeight - height - EDGE))
  menu.style.cssText = `left: ${left}px; top: ${top}px`
}
