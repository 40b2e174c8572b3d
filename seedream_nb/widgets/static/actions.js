// What can be done with a generation of the history: each in one place, for its card, the menu, the stage and the full-size view.
// @ts-check

import { canCopyPictures } from "./copying.js"
/** @import { Icon } from "./dom.js" */
/** @import { Draft, Entry, EntryPicture } from "./protocol.js" */

/** What an action asks of the gallery.
 * @typedef {{
 *   ask: (what: "use" | "rerun" | "edit" | "star" | "change", fields: object) => Promise<unknown>,
 *   copy: (entry: Entry) => Promise<string>, draft: () => Draft | null,
 *   download: (mark: string) => Promise<void>, downloadAll: (entry: Entry) => Promise<string>, copyPicture: (mark: string) => Promise<string>,
 *   remove: (entries: readonly Entry[]) => Promise<void>,
 * }} Doing */

/** An action: its button's name and icon; of which entries it is; whether it costs something, so that a press must be meant;
 * whether it is done with the chosen picture alone, and whether it stands only where there is room for words; and what it does,
 * kept with what is to be said of it, if anything is.
 * @typedef {{
 *   name: string, icon: Icon, when: (kind: Kind) => boolean, spends?: boolean, ofPicture?: boolean, inWords?: boolean,
 *   act: (doing: Doing, entry: Entry, chosen: EntryPicture) => Promise<string | void>,
 * }} Action */

/** What the actions of an entry depend on. @typedef {{count: number, runs: boolean}} Kind */
/** @typedef {keyof typeof ACTIONS} ActionName */

const always = () => true
/** @param {Kind} kind */
const hasPictures = ({ count }) => count > 0
/** @param {Kind} kind */
const hasEnded = ({ runs }) => !runs

/** In the order of their buttons. @satisfies {Record<string, Action>} */
export const ACTIONS = {
  use: {
    name: "Use as reference", icon: "use", when: hasPictures, ofPicture: true,
    act: (doing, _, { mark }) => doing.ask("use", { mark }).then(() => `${mark} is now a reference.`),
  },
  again: {
    name: "Run again", icon: "again", when: hasEnded, spends: true,
    act: (doing, { id }) => doing.ask("rerun", { generation: id }).then(() => "It is in the queue."),
  },
  edit: {
    name: "Edit request", icon: "edit", when: always,
    act: (doing, { id }) => doing.ask("edit", { generation: id, form: doing.draft() }).then(() => {}),
  },
  code: { name: "Copy as cell", icon: "code", when: always, act: (doing, entry) => doing.copy(entry) },
  star: {
    name: "Star", icon: "star", when: always,
    act: (doing, { id, starred }) => doing.ask("star", { generation: id, on: !starred }).then(() => {}),
  },
  download: { name: "Download", icon: "download", when: hasPictures, ofPicture: true, act: (doing, _, { mark }) => doing.download(mark) },
  change: {
    name: "Edit this", icon: "edit", when: hasPictures, ofPicture: true, inWords: true,
    act: (doing, _, { mark }) => doing.ask("change", { mark, form: doing.draft() }).then(() => {}),
  },
  all: { name: "Save all as zip", icon: "download", when: ({ count }) => count > 1, inWords: true, act: (doing, entry) => doing.downloadAll(entry) },
  image: {
    name: "Copy picture", icon: "copy", when: kind => hasPictures(kind) && canCopyPictures(), ofPicture: true, inWords: true,
    act: (doing, _, { mark }) => doing.copyPicture(mark),
  },
  remove: { name: "Delete", icon: "remove", when: hasEnded, act: (doing, entry) => doing.remove([entry]) },
}

/** Whether something that a button says it does is an action. @param {string | undefined} name @returns {name is ActionName} */
export function isAction(name) {
  return name !== undefined && Object.hasOwn(ACTIONS, name)
}

/** The actions of an entry, by their names. @param {Kind} kind @returns {[ActionName, Action][]} */
export function actionsOf(kind) {
  const all = /** @type {[ActionName, Action][]} */ (Object.entries(ACTIONS))
  return all.filter(([, { when }]) => when(kind))
}
