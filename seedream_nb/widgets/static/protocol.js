// What page and kernel tell each other: types alone, of which nothing is sent. `protocol.py` has the kernel's.
// @ts-check

/** The form as it is being filled in.
 * @typedef {{prompt: string, size: string, aspect: string, width: number, height: number, max_images: number, watermark: boolean,
 *   model: string}} Draft */

/** A reference in the tray.
 * @typedef {{number: number, name: string, width: number | null, height: number | null, url: string | null}} Held */

/** A request that is under way, or has failed and was not dismissed.
 * @typedef {{
 *   number: number, mark: string, phase: string, told: string, prompt: string, seconds: number, over: boolean, sent: boolean,
 *   free: boolean, share: number | null, stopped: string[] | null, error: string[] | null, refused: boolean,
 *   width: number, height: number, pictures: number, usual: number | null,
 * }} Row */

/** How many of each the model takes, and how many there may be of both together.
 * @typedef {{references: number, pictures: number}} Most */

/** What was under way when an earlier kernel ended. @typedef {{lines: string[], recoverable: boolean}} Unfinished */

/** What a model offers, and what a picture of it costs.
 * @typedef {{name: string, title: string, sizes: Record<string, Record<string, string>>, ratios: string[], price: number, most: Most}} Offer */

/** All that is shown but for the history, of which pages are asked for; `form` is null where there is none.
 * @typedef {{
 *   version: number, place: string, form: Draft | null, form_number: number, undo: string, changes: boolean,
 *   unkept: string, told: string[], unfinished: Unfinished | null, draft: string, models: Offer[],
 *   sizes: Record<string, Record<string, string>>, ratios: string[], host: string, free: boolean, price: number, most: Most,
 *   spent: {pictures: number, dollars: number}, tray: Held[], jobs: Row[], more: number, history: number,
 * }} Snapshot */

/** @typedef {{mark: string, width: number, height: number}} EntryPicture */

/** A generation of the history.
 * @typedef {{
 *   id: number, mark: string, prompt: string, status: string, runs: boolean, error: string, seconds: number | null,
 *   starred: boolean, sandbox: boolean, sources: string[], ratio: number, pictures: EntryPicture[],
 * }} Entry */

/** A generation on the stage, with the request that made it.
 * @typedef {{
 *   entry: Entry, prompt: string, size: string, model: string, cost: number | null, price: number, place: string, others: string[],
 * }} Result */
/** All that a generation was made of: its whole prompt, and what else there is to tell, each with a name.
 * @typedef {{prompt: string, facts: [string, string][]}} Details */

/** What a question is broken with.
 * @typedef {{told: string[], fields: Record<string, string[]>, nearest?: [number, number]}} Refusal */

/** How many of the history have a star, and how many have failed. @typedef {{starred: number, failed: number}} Counts */
/** @typedef {Counts & {entries: Entry[], whole: boolean}} Page */
/** @typedef {Counts & {entries: Entry[], ids: number[], stars: number[]}} Changes */
/** @typedef {Record<string, never>} Nothing */

/** The answers by the names of their questions.
 * @typedef {{
 *   snapshot: Nothing, here: {version: number}, leave: Nothing,
 *   check: Nothing, generate: Nothing, keep: Nothing, undo: Nothing, clear: Nothing, recover: Nothing, dismiss_unfinished: Nothing,
 *   prompts: {prompts: string[]}, names: {names: string[]},
 *   cancel: Nothing, again: Nothing, amend: Nothing, dismiss: Nothing, dismiss_all: Nothing,
 *   offers: {offers: string[]}, add: Nothing, shown: Nothing, file: {whole: boolean}, forget: Nothing, remove: Nothing,
 *   move: Nothing, thumbnail: Nothing,
 *   entries: Page, changes: Changes, thumbnails: {marks: string[]}, picture: {media_type: string, name: string},
 *   use: Nothing, rerun: Nothing, edit: Nothing, code: {cell: string}, star: Nothing,
 *   result: {result: Result | null, at: number}, preview: Nothing, change: Nothing,
 *   delete: {deleted: number[], told: string}, restore: Nothing, details: Details,
 * }} Answers */

/** What the host gives the page of a widget: what of it we use. Outside JupyterLab there is no kernel to look at.
 * @typedef {{
 *   send: (content: object, callbacks?: undefined, buffers?: ArrayBuffer[]) => void,
 *   on: (event: string, act: (content: Message, buffers: DataView[]) => void) => void,
 *   off: (event: string, act: (content: Message, buffers: DataView[]) => void) => void,
 *   get?: (name: string) => string | undefined,
 *   widget_manager?: {
 *     kernel?: Connection, get_model?: (id: string) => Promise<{comm_live?: boolean}>,
 *     context?: {urlResolver?: Resolver, model?: {sharedModel?: Notebook}},
 *   },
 * }} Model */

/** What comes from the kernel: an answer, or a snapshot.
 * @typedef {{id?: string, ok?: object, error?: Refusal, snapshot?: Snapshot}} Message */

/** @typedef {{connect?: (act: (sender: unknown, status: string) => void) => void, disconnect?: (act: (sender: unknown, status: string) => void) => void}} Signal */
/** @typedef {{statusChanged?: Signal, connectionStatusChanged?: Signal, disposed?: Signal, status?: string, connectionStatus?: string}} Connection */
/** JupyterLab's, which knows where the server's files lie. @typedef {{getDownloadUrl: (path: string) => Promise<string>}} Resolver */
/** @typedef {{cells: unknown[], insertCell?: (place: number, cell: object) => void}} Notebook */

export {}
