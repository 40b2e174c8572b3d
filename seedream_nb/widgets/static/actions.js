// What can be done with a generation of the history: each in one place, with its button on the card.
// @ts-check

/** @import { Icon } from "./dom.js" */
/** @import { Draft, Entry, EntryPicture } from "./protocol.js" */

/** What a card asks of the gallery that it is in.
 * @typedef {{
 *   ask: (what: "use" | "rerun" | "edit" | "star" | "change", fields: object) => Promise<unknown>,
 *   copy: (entry: Entry) => Promise<string>, download: (mark: string) => Promise<void>, draft: () => Draft | null,
 * }} Doing */

/** An action: its button's name and icon; of which entries it is; whether it costs something, so that a press must be meant;
 * whether it is done with the chosen picture alone, and whether only where there is room for words; and what it does, kept with what is to be said of it, if anything is.
 * @typedef {{
 *   name: string, icon: Icon, when: (kind: Kind) => boolean, spends?: boolean, ofPicture?: boolean, inWords?: boolean,
 *   act: (doing: Doing, entry: Entry, chosen: EntryPicture) => Promise<string | void>,
 * }} Action */

/** What the actions of an entry depend on. @typedef {{count: number, runs: boolean}} Kind */
/** @typedef {keyof typeof ACTIONS} ActionName */

const always = () => true
/** @param {Kind} kind */
const hasPictures = ({ count }) => count > 0

/** In the order of their buttons. @satisfies {Record<string, Action>} */
export const ACTIONS = {
  use: {
    name: "Use as reference", icon: "use", when: hasPictures, ofPicture: true,
    act: (doing, _, { mark }) => doing.ask("use", { mark }).then(() => `${mark} is now a reference.`),
  },
  again: {
    name: "Run again", icon: "again", when: ({ runs }) => !runs, spends: true,
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
}

/** Whether something that a button says it does is an action. @param {string | undefined} name @returns {name is ActionName} */
export function isAction(name) {
  return name !== undefined && Object.hasOwn(ACTIONS, name)
}
