// What is done with generations of the history, whoever asks for it: a card, the menu, the stage, the full-size view.
// @ts-check

import { insertBelow, pictureToClipboard, saveBlob, saveFile, toClipboard } from "./copying.js"
import { zipped } from "./zip.js"
/** @import { Doing } from "./actions.js" */
/** @import { Entry, Refusal } from "./protocol.js" */
/** @import { Store } from "./store.js" */
/** @import { Undoing } from "./undoing.js" */

/** Where it is done: `place` is within the cell, `said` shows what is to be copied by hand; `late` is told of an answer that has
 * to wait. @typedef {{store: Store, place: HTMLElement, said: HTMLElement, undoing: Undoing, late: (isLate: boolean) => void}} Where */

/** @param {Where} where @returns {Doing & {removeFailed: () => Promise<void>, removeAll: (entries: readonly Entry[]) => Promise<void>, starAll: (entries: readonly Entry[]) => Promise<void>, downloadEach: (entries: readonly Entry[]) => Promise<string>, picture: (mark: string) => Promise<{media_type: string, name: string, buffers: DataView[]}>}} */
export function doingOf({ store, place, said, undoing, late }) {
  /** Ask for something that a person wants, who is told if it has to wait. @type {Store["ask"]} */
  const ask = (what, fields) => store.ask(what, fields, { late })
  /** Do something else than to delete: what was deleted before is not to be undone by a slip. @type {Store["ask"]} */
  const act = (what, fields) => {
    undoing.clear()
    return ask(what, fields)
  }
  const picture = (/** @type {string} */ mark) => ask("picture", { mark })
  const remove = async (/** @type {object} */ which) => { undoing.show(await ask("delete", which)) }
  const removeAll = (/** @type {readonly Entry[]} */ entries) => remove({ generations: entries.map(({ id }) => id) })
  const downloadEach = (/** @type {readonly Entry[]} */ entries) => zip(picture, entries)
  return {
    ask: act,
    picture,
    copy: async entry => {
      undoing.clear()
      const { cell } = await ask("code", { generation: entry.id })
      if (insertBelow(store.model.widget_manager?.context?.model?.sharedModel, place, cell)) return "The cell was inserted below."
      const isThere = await toClipboard(cell, said)
      return isThere ? `The cell that makes ${entry.mark} is on the clipboard.` : "The cell is above the history: copy it from there."
    },
    draft: () => store.draft,
    download: async mark => {
      const { buffers, media_type, name } = await picture(mark)
      saveFile(buffers[0], media_type, name)
    },
    downloadAll: entry => downloadEach([entry]),
    copyPicture: async mark => {
      await pictureToClipboard(picture(mark).then(({ buffers, media_type }) => new Blob([bytesOf(buffers[0])], { type: media_type })))
      return `${mark} is on the clipboard.`
    },
    remove: removeAll,
    removeAll,
    removeFailed: () => remove({ failed: true }),
    starAll: async entries => { for (const { id } of entries) await act("star", { generation: id, on: true }) },
    downloadEach,
  }
}

/** Save all pictures of some generations as one zip; of those that are missing, say which.
 * @param {(mark: string) => Promise<{name: string, buffers: DataView[]}>} picture @param {readonly Entry[]} entries */
async function zip(picture, entries) {
  const files = []
  const missing = []
  for (const { mark } of entries.flatMap(({ pictures }) => pictures)) {
    try {
      const { buffers, name } = await picture(mark)
      files.push({ name, bytes: bytesOf(buffers[0]) })
    } catch (error) {
      missing.push(.../** @type {Refusal} */ (error).told)
    }
  }
  if (!files.length) throw { told: missing.length ? missing : ["There is no picture to download."], fields: {} }
  saveBlob(new Blob(zipped(files), { type: "application/zip" }), zipName(files, entries.length))
  return [`${files.length} ${files.length === 1 ? "picture" : "pictures"} in one zip.`, ...missing].join(" ")
}

/** Of one generation its number and words, of several how many. @param {{name: string}[]} files @param {number} generations */
function zipName([{ name }], generations) {
  const [, number, words] = /^(\d+)-\d+(.*)\.\w+$/.exec(name) ?? []
  return generations === 1 && number ? `${number}${words}.zip` : `seedream-${generations}-generations.zip`
}

/** @param {DataView} view */
function bytesOf(view) {
  return /** @type {Uint8Array<ArrayBuffer>} */ (new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
}
