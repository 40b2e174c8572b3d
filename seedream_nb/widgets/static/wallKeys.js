// The wall by keyboard and mouse: one Tab stop, arrows in two dimensions, and what a press on a card does.
// @ts-check

import { stop, targetOf } from "./dom.js"
import { openMenu } from "./menu.js"
import { led, middleOf } from "./rows.js"
/** @import { Card } from "./card.js" */
/** @import { Selection } from "./selection.js" */
/** @import { Wall } from "./wall.js" */

/** @typedef {{selection: Selection, undo: () => void, remove: (id: number) => void}} Doing */

/** Let a wall hear for all of its cards: a listener at each button of each card would be ten thousand.
 * @param {Wall} wall @param {Doing} doing */
export function hear(wall, doing) {
  const { element } = wall
  const at = (/** @type {Event} */ event) => {
    const shell = targetOf(event, "[data-entry]")
    return shell ? wall.card(Number(shell.dataset.entry)) : undefined
  }
  const keys = new Keys(wall, doing)
  element.addEventListener("click", event => { const card = at(event); if (card) press(card, event, wall, doing.selection) })
  element.addEventListener("keydown", event => { const card = at(event); if (card) keys.hear(card, event) })
  element.addEventListener("focusin", event => { const card = at(event); if (card) wall.mark(wall.placeOf(card.entry.id)) })
  element.addEventListener("contextmenu", event => { // by a key: the mouse's has the browser's own menu, which saves a picture
    const card = at(event)
    if (!card || event.button === 2) return
    stop(event)
    openMenu(card)
  })
  element.addEventListener("dragstart", event => { // a text that is selected can be dragged too
    if (event.target instanceof HTMLImageElement) at(event)?.carry(event)
  })
}

/** @param {Card} card @param {MouseEvent} event @param {Wall} wall @param {Selection} selection */
function press(card, event, wall, selection) {
  const { id } = card.entry
  const what = targetOf(event, "[data-do]")?.dataset.do
  const isFace = what === undefined || what === "view"
  if (isFace && event.shiftKey) selection.reach(id, wall.current)
  else if (isFace && (event.ctrlKey || event.metaKey || selection.isOn)) selection.flip(id)
  else card.press(event)
}

class Keys {
  #wall
  #doing
  /** Where in a row one goes up and down. @type {number | undefined} */
  #x

  /** @param {Wall} wall @param {Doing} doing */
  constructor(wall, doing) {
    this.#wall = wall
    this.#doing = doing
  }
  /** @param {Card} card @param {KeyboardEvent} event */
  hear(card, event) {
    card.key(event)
    if (event.defaultPrevented) return
    if (this.#move(card, event) || this.#do(card, event)) stop(event)
  }
  /** @param {Card} card @param {KeyboardEvent} event */
  #move(card, event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return false
    const { rows, page } = this.#wall
    const from = this.#wall.placeOf(card.entry.id)
    const isUpright = ["ArrowUp", "ArrowDown", "PageUp", "PageDown"].includes(event.key)
    const x = this.#x = isUpright ? this.#x ?? middleOf(rows, from) : undefined
    const to = led(rows, from, event.key, page, x)
    if (to === undefined) return false
    const { selection } = this.#doing
    const id = this.#wall.bricks[to].id
    if (event.shiftKey) selection.reach(id, card.entry.id)
    this.#wall.focus(to)
    return true
  }
  /** @param {Card} card @param {KeyboardEvent} event */
  #do(card, event) {
    const { selection, undo, remove } = this.#doing
    const isCommand = event.ctrlKey || event.metaKey
    if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) openMenu(card)
    else if (event.key === "Delete") remove(card.entry.id)
    else if (event.key === "Escape" && selection.isOn) selection.end()
    else if (event.key === "z" && isCommand) undo()
    else if (event.key === "a" && isCommand) selection.all()
    else if (event.key === " " && event.shiftKey) selection.reach(card.entry.id, card.entry.id)
    else if (event.key === " " && isCommand) selection.flip(card.entry.id)
    else return false
    return true
  }
}
