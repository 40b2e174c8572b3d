// What all views of a widget share on the page: the newest snapshot, the draft that is being typed, and who listens.
// @ts-check

import { Kernel } from "./kernel.js"
import { Order } from "./order.js"
import { recalled, remember } from "./unsent.js"
/** @import { Draft, Entry, Held, Model, Snapshot } from "./protocol.js" */

/** What is told, by the name of the event: the newest snapshot; that another draft has come from the kernel, or the person
 * has changed it; that the tray is another; that the order is; that the kernel has ended, with what to say; and that a picture was chosen for
 * the stage.
 * @typedef {{snapshot: Snapshot, filled: null, draft: null, tray: Held[], order: null, gone: string[],
 *   staged: {entry: Entry, at: number}}} Events */

/** Milliseconds of typing after which it is kept; a pause is noticed sooner: see order.js. */
const KEEP_EVERY = 1000

export class Store {
  /** What is typed, and into which form of the kernel's; null where there is no form.
   * @type {Draft & {form_number?: number} | null} */
  draft = null
  /** What is shown, with what the chosen model offers. @type {Snapshot | null} */
  snapshot = null
  /** Functions that say whether all references come that are on their way; of each tray one.
   * @type {Set<() => Promise<boolean> | null>} */
  arrivals = new Set()
  /** What to say once the kernel has ended. @type {string[] | null} */
  gone = null
  /** What was typed before the first snapshot came. @type {Partial<Draft>} */
  #early = {}
  #formNumber = -1
  #views = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #keeping
  #tray = ""
  /** @type {Map<keyof Events, Set<(detail: never) => void>>} */
  #listeners = new Map()

  /** @param {Model} model */
  constructor(model) {
    this.model = model
    this.kernel = new Kernel(model, {
      snapshot: snapshot => this.#take(snapshot),
      gone: told => {
        this.gone = told
        this.#remember()
        this.change("gone", told)
      },
    })
    this.order = new Order(this)
  }
  /** Note that a view is there. */
  enter() {
    this.#views++
    return this.kernel.enter()
  }
  /** Note that a view has gone. */
  leave() {
    if (--this.#views > 0) return
    this.order.keep()
    this.kernel.leave()
  }
  close() {
    clearTimeout(this.#keeping)
    this.order.close()
    this.kernel.close()
  }
  /** @type {Kernel["ask"]} */
  ask = (what, fields, along) => this.kernel.ask(what, fields, along)

  /** Call a function with each event of a name until the signal comes.
   * @template {keyof Events} Name @param {Name} name @param {(detail: Events[Name]) => void} act @param {AbortSignal} [signal] */
  listen(name, act, signal) {
    const heard = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, heard.add(act))
    signal?.addEventListener("abort", () => heard.delete(act))
  }
  /** Call a function with each snapshot, and with the newest there is.
   * @param {(snapshot: Snapshot) => void} act @param {AbortSignal} signal */
  follow(act, signal) {
    this.listen("snapshot", act, signal)
    if (this.snapshot) act(this.snapshot)
  }
  /** Call a function now, and whenever the order is another. @param {(order: Order) => void} act @param {AbortSignal} signal */
  followOrder(act, signal) {
    this.listen("order", () => act(this.order), signal)
    act(this.order)
  }
  /** @template {keyof Events} Name @param {Name} name @param {Events[Name]} detail */
  change(name, detail) {
    for (const act of [...this.#listeners.get(name) ?? []]) act(/** @type {never} */ (detail))
  }
  /** Change the draft, as a person does. @param {Partial<Draft>} changes */
  edit(changes) {
    Object.assign(this.draft ?? this.#early, changes)
    if (!this.draft) return
    if (this.gone) this.#remember()
    else this.#keeping ??= setTimeout(() => this.#keep(), KEEP_EVERY)
    this.change("draft", null)
    if (!changes.model || !this.snapshot) return
    this.snapshot = this.#withModel(this.snapshot)
    this.change("snapshot", this.snapshot)
  }
  /** Let sizes, ratios, price and limits be those of the model in the form. @param {Snapshot} snapshot */
  #withModel(snapshot) {
    return { ...snapshot, ...snapshot.models.find(({ name }) => name === this.draft?.model) }
  }
  /** Let the kernel have what is being typed, though nobody pauses. */
  #keep() {
    this.#keeping = undefined
    if (this.draft && !this.gone) this.ask("keep", { form: this.draft }).catch(() => {})
  }
  /** Keep on this page what no kernel keeps: for the panel that comes next. */
  #remember() {
    if (this.draft && this.snapshot) remember(this.snapshot.draft, this.draft)
  }
  /** Take over what the kernel keeps; of the draft, if this page has nothing newer. @param {Snapshot} snapshot */
  #take(snapshot) {
    this.snapshot = snapshot
    if (snapshot.form && snapshot.form_number > this.#formNumber) {
      const early = this.draft ? {} : { ...recalled(snapshot.draft, snapshot.form), ...this.#early }
      this.draft = { ...snapshot.form, ...early, form_number: snapshot.form_number }
      this.#formNumber = snapshot.form_number
      this.change("filled", null)
      if (Object.keys(early).length) this.change("draft", null)
    }
    this.snapshot = this.#withModel(snapshot)
    this.change("snapshot", this.snapshot)
    const tray = JSON.stringify(snapshot.tray)
    if (tray === this.#tray) return
    this.#tray = tray
    this.change("tray", snapshot.tray)
  }
}
