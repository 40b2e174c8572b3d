// The kernel behind a widget: questions with answers, and the snapshots that it sends.
// @ts-check

import { isLive } from "./live.js"
/** @import { Answers, Message, Model, Refusal, Snapshot } from "./protocol.js" */

/** Milliseconds after which an answer is late: a cell is running. */
const LATE_AFTER = 1200
/** How often a page says that it is there; one that is silent for ten minutes is forgotten. */
const HERE_EVERY = 60_000
/** Milliseconds after which an answer that a kernel owes, which does nothing else, will not come; and between two looks. */
const LOST_AFTER = 30_000
const LOOK_AGAIN = 3000
const RESTARTED = ["The kernel was restarted.", "Run this cell again to go on. What you typed and what you made is kept."]
const STOPPED = ["The kernel has stopped.", "Start it again and run this cell to go on. What you typed and what you made is kept."]
/** @type {Record<string, string[]>} */
const ENDS = { restarting: RESTARTED, autorestarting: RESTARTED, terminating: STOPPED, dead: STOPPED }

/** What goes along with a question: bytes; and who is told when its answer begins to be late, and when it has come.
 * @typedef {{buffers?: ArrayBuffer[], late?: (isLate: boolean) => void}} Along */
/** @typedef {{message: object, buffers: ArrayBuffer[], late: (isLate: boolean) => void, isLate: boolean, timer: ReturnType<typeof setTimeout>, resolve: (answer: never) => void, reject: (refusal: Refusal) => void}} Open */
/** Who hears what was not asked for. @typedef {{snapshot: (snapshot: Snapshot) => void, gone: (told: string[]) => void}} Heard */

export class Kernel {
  #model
  #heard
  /** @type {Map<string, Open>} */
  #open = new Map()
  #page = Math.random().toString(36).slice(2)
  #number = 0
  #version = -1
  #place = ""
  /** @type {string[] | null} */
  #ended = null
  #isPinging = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #looking
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking

  /** @param {Model} model @param {Heard} heard */
  constructor(model, heard) {
    this.#model = model
    this.#heard = heard
    model.on("msg:custom", this.#hear)
    model.on("comm_live_update", this.#watchComm)
    this.#connection?.statusChanged?.connect?.(this.#watchStatus)
    this.#connection?.connectionStatusChanged?.connect?.(this.#watchConnection)
    this.#connection?.disposed?.connect?.(this.#watchDisposed)
  }
  get #connection() {
    return this.#model.widget_manager?.kernel
  }
  /** Be in sight: have snapshots from now on. */
  enter() {
    this.#ticking ??= setInterval(() => this.#here(), HERE_EVERY)
    return this.ask("snapshot")
  }
  /** Be out of sight, and say so. */
  leave() {
    clearInterval(this.#ticking)
    this.#ticking = undefined
    try {
      if (!this.#ended) this.#model.send(this.#message("leave", {}))
    } catch { /* the kernel is gone: nobody to tell */ }
  }
  /** Ask the kernel; the promise is kept with its answer, or broken with `{told, fields}`.
   * @template {keyof Answers} What
   * @param {What} what @param {object} [fields] @param {Along} [along] @returns {Promise<Answers[What] & {buffers: DataView[]}>} */
  ask(what, fields = {}, { buffers = [], late = () => {} } = {}) {
    if (this.#ended) return Promise.reject({ told: this.#ended, fields: {} })
    const message = this.#message(what, fields)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { one.isLate = true; late(true) }, LATE_AFTER)
      const one = { message, buffers, late, isLate: false, timer, resolve, reject }
      this.#open.set(message.id, one)
      this.#model.send(message, undefined, buffers)
    })
  }
  close() {
    if (this.#ticking !== undefined) this.leave()
    this.#connection?.statusChanged?.disconnect?.(this.#watchStatus)
    this.#connection?.connectionStatusChanged?.disconnect?.(this.#watchConnection)
    this.#connection?.disposed?.disconnect?.(this.#watchDisposed)
    this.#model.off("msg:custom", this.#hear)
    this.#model.off("comm_live_update", this.#watchComm)
    clearTimeout(this.#looking)
    for (const { timer } of this.#open.values()) clearTimeout(timer)
  }
  /** @param {string} what @param {object} fields */
  #message(what, fields) {
    return { place: this.#place, ...fields, id: `${this.#page}-${++this.#number}`, ask: what, view: this.#page }
  }
  /** @param {Message} content @param {DataView[]} buffers */
  #hear = ({ id = "", ok, error, snapshot }, buffers) => {
    if (snapshot) this.#see(snapshot)
    const one = this.#open.get(id)
    if (!one) return
    this.#open.delete(id)
    this.#settle(one)
    if (error) one.reject(error)
    else one.resolve(/** @type {never} */ ({ ...ok, buffers }))
  }
  /** @param {Snapshot} snapshot */
  #see(snapshot) {
    if (snapshot.version < this.#version) return
    this.#version = snapshot.version
    this.#place = snapshot.place
    this.#heard.snapshot(snapshot)
  }
  /** @param {Open} one */
  #settle(one) {
    clearTimeout(one.timer)
    if (one.isLate) one.late(false)
  }
  /** @param {unknown} _ @param {string} status */
  #watchStatus = (_, status) => this.#end(ENDS[status])
  /** Hosts that show no kernel say so much: the widget and its kernel are parted. */
  #watchComm = async () => {
    if (!await isLive(this.#model)) this.#end(RESTARTED)
  }
  /** The notebook has another kernel, or none. */
  #watchDisposed = () => this.#end(STOPPED)
  /** @param {string[] | undefined} told */
  #end(told) {
    if (!told || this.#ended) return
    this.#ended = told
    clearTimeout(this.#looking)
    this.#heard.gone(told)
    const left = [...this.#open.values()]
    this.#open.clear()
    for (const one of left) {
      this.#settle(one)
      one.reject({ told, fields: {} })
    }
  }
  /** Answers and snapshots may be lost with a connection: ask again. What was acted on is not acted on twice.
   * @param {unknown} _ @param {string} status */
  #watchConnection = (_, status) => {
    if (status !== "connected" || this.#ended) return
    for (const one of this.#open.values()) this.#model.send(one.message, undefined, one.buffers)
    if (this.#ticking !== undefined) this.#renew()
  }
  #renew() {
    const asked = this.ask("snapshot").catch(() => {})
    this.#await(asked)
  }
  /** A kernel that was restarted while this page slept knows nothing of it, and never answers.
   * @param {Promise<unknown>} asked */
  #await(asked) {
    let isOpen = true
    let wasIdle = false
    const look = () => {
      if (!isOpen || this.#ended || this.#ticking === undefined) return
      const isIdle = this.#connection?.status === "idle" && this.#connection.connectionStatus === "connected"
      if (isIdle && wasIdle) return this.#end(RESTARTED)
      wasIdle = isIdle
      this.#looking = setTimeout(look, isIdle ? LOOK_AGAIN : LOST_AFTER)
    }
    clearTimeout(this.#looking)
    this.#looking = setTimeout(look, LOST_AFTER)
    asked.finally(() => { isOpen = false })
  }
  /** Say that this page is there, and hear whether it has missed something. */
  async #here() {
    if (this.#isPinging || this.#ended) return
    this.#isPinging = true
    const asked = this.ask("here").catch(() => null)
    this.#await(asked)
    const answer = await asked
    this.#isPinging = false
    if (answer && answer.version > this.#version) this.#renew()
  }
}

/** Tell something once of many questions that may be late: whether any of them is.
 * @param {(isLate: boolean) => void} tell */
export function anyLate(tell) {
  let count = 0
  return (/** @type {boolean} */ isLate) => {
    count += isLate ? 1 : -1
    tell(count > 0)
  }
}
