// The line between a piece's page and the kernel.
// @ts-check
/** @import { Model } from "./common.js" */

/** @typedef {ReturnType<typeof line>} Kernel */

/** Milliseconds after which an answer is late: a cell is running. */
const LATE_AFTER = 1200
/** How often a page says that it is there; one that is silent for ten minutes is forgotten. */
const HERE_EVERY = 60_000
/** @type {Record<string, string[]>} */
const GONE = {
  restarted: ["The kernel was restarted, so nothing here is connected any more.", "Run this cell again; what you have made is in the history. Copy your prompt first."],
  dead: ["The kernel has stopped, so nothing here is connected any more.", "Start it again and run this cell; what you have made is in the history. Copy your prompt first."],
}
/** @type {Record<string, string[]>} */
const ENDS = { restarting: GONE.restarted, autorestarting: GONE.restarted, terminating: GONE.dead, dead: GONE.dead }

/** Questions with answers, and snapshots. @param {Model} model */
export function line(model) {
  /** @type {Map<string, {message: any, buffers: any[], resolve: Function, reject: Function, timer: any}>} */
  const open = new Map()
  /** @type {((waiting: boolean) => void)[]} */
  const late = []
  /** @type {((snapshot: any) => void)[]} */
  const shown = []
  /** @type {((told: string[]) => void)[]} */
  const gone = []
  const page = Math.random().toString(36).slice(2)
  /** @type {string[] | null} */
  let ended = null
  let number = 0
  let version = -1
  /** The newest snapshot, for who listens only from now on. @type {any} */
  let last = null
  let pinging = false

  const waiting = () => late.forEach(each => each([...open.values()].some(one => one.timer === 0)))
  const kernel = model.widget_manager?.kernel

  const hear = (/** @type {any} */ content, /** @type {any[]} */ buffers) => {
    if (content.snapshot) {
      if (content.snapshot.version < version) return
      version = content.snapshot.version
      last = content.snapshot
      shown.forEach(each => each(content.snapshot))
      return
    }
    const one = open.get(content.id)
    if (!one) return
    open.delete(content.id)
    clearTimeout(one.timer)
    waiting()
    if (content.error) one.reject(content.error)
    else one.resolve({ ...content.ok, buffers })
  }
  const watchStatus = (/** @type {any} */ _, /** @type {string} */ status) => {
    const told = ENDS[status]
    if (!told || ended) return
    ended = told
    gone.forEach(each => each(told))
    const left = [...open.values()]
    open.clear()
    left.forEach(one => { clearTimeout(one.timer); one.reject({ told, fields: {} }) })
    waiting()
  }
  // Answers and snapshots may be lost with a connection: ask again. What was acted on is not acted on twice.
  const watchConnection = (/** @type {any} */ _, /** @type {string} */ status) => {
    if (status !== "connected" || ended) return
    for (const one of open.values()) model.send(one.message, undefined, one.buffers)
    ask("snapshot").catch(() => {})
  }

  /** @param {string} what @param {object} [fields] @param {any[]} [buffers] @returns {Promise<any>} */
  function ask(what, fields = {}, buffers = []) {
    if (ended) return Promise.reject({ told: ended, fields: {} })
    const message = { ...fields, id: `${page}-${++number}`, ask: what, view: page }
    return new Promise((resolve, reject) => {
      const one = { message, buffers, resolve, reject, timer: /** @type {any} */ (undefined) }
      one.timer = setTimeout(() => { one.timer = 0; waiting() }, LATE_AFTER)
      open.set(message.id, one)
      model.send(message, undefined, buffers)
    })
  }
  /** Say that this page is there, and hear whether it has missed something. */
  async function here() {
    if (pinging || ended) return
    pinging = true
    const answer = await ask("here").catch(() => null)
    pinging = false
    if (answer && answer.version > version) ask("snapshot").catch(() => {})
  }

  model.on("msg:custom", hear)
  kernel?.statusChanged?.connect?.(watchStatus)
  kernel?.connectionStatusChanged?.connect?.(watchConnection)
  const ticking = setInterval(here, HERE_EVERY)

  return {
    /** Ask the kernel; the promise is kept with its answer, or broken with `{told, fields}`. */
    ask,
    /** Call a function with each snapshot, and soon with the last there was. @param {(snapshot: any) => void} show */
    onSnapshot(show) {
      shown.push(show)
      const known = last
      if (known) queueMicrotask(() => { if (last === known) show(known) })
    },
    /** Call a function when answers begin to be late, and when they have come. @param {(late: boolean) => void} tell */
    onLate(tell) { late.push(tell) },
    /** Call a function when the kernel that answers has ended, with what to say. @param {(told: string[]) => void} tell */
    onGone(tell) { gone.push(tell) },
    close() {
      clearInterval(ticking)
      kernel?.statusChanged?.disconnect?.(watchStatus)
      kernel?.connectionStatusChanged?.disconnect?.(watchConnection)
      model.off("msg:custom", hear)
      open.forEach(one => clearTimeout(one.timer))
      try {
        if (!ended) model.send({ id: `${page}-${++number}`, ask: "leave", view: page })
      } catch { /* the kernel is gone: nobody to tell */ }
    },
  }
}
