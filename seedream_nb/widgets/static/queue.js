// The queue: what runs, waits, has failed or was stopped.
// @ts-check

import { alarm, deliberate, elapsed, h, iconButton, piece } from "./common.js"
import { line } from "./line.js"
/** @import { Refusal } from "./common.js" */
/** @import { Kernel } from "./line.js" */

/** @type {Record<string, string>} */
const WORDS = {
  preparing: "Preparing", waiting: "Waiting", uploading: "Uploading", generating: "Generating", downloading: "Downloading",
  stopped: "Stopped", unknown: "Outcome unknown", partial: "Pictures are missing",
}
const SENT = "Already sent: it can't be taken back and will continue"
const BILLED = "Already sent: it can't be taken back, may be billed and will continue"
const UNSENT = "Not sent yet: nothing will be billed"
const LATE = "Queued until the running cell ends."

/** What a row calls the state of its request. @param {any} job */
function named(job) {
  return WORDS[job.phase] || (job.over ? "Failed" : job.phase)
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    piece(el)
    const rows = h("div", { class: "sd-queue" })
    const status = h("div", { role: "status", "aria-label": "Progress", class: "sd-spoken" })
    el.replaceChildren(status, rows)
    /** @type {Map<number, any>} */
    const shown = new Map()
    let spoken = ""
    kernel.onSnapshot(({ jobs }) => {
      const there = new Set(jobs.map((/** @type {any} */ job) => job.number))
      for (const [number, row] of shown) if (!there.has(number)) { leave(row.element); shown.delete(number) }
      for (const job of jobs) {
        const row = shown.get(job.number) || made(job)
        row.show(job)
      }
      const words = jobs.map((/** @type {any} */ job) => `${named(job)}: ${job.prompt.slice(0, 60)}`).join(". ")
      if (words !== spoken) status.textContent = spoken = words
    })
    kernel.onLate(isLate => shown.forEach(row => row.late(isLate)))
    kernel.onGone(() => shown.forEach(row => row.gone()))
    /** @param {any} job */
    function made(job) {
      const row = rowOf(job, kernel)
      shown.set(job.number, row)
      rows.append(row.element)
      return row
    }
    /** Take a row away; the focus, if it is there, goes to the next, or to the history below.
     * @param {HTMLElement} row */
    function leave(row) {
      const isHere = row.contains(document.activeElement)
      const next = row.nextElementSibling || row.previousElementSibling
      row.remove()
      if (!isHere) return
      const to = next?.querySelector("button:not([hidden])") ?? el.closest(".sd-results")?.querySelector("input")
      if (to instanceof HTMLElement) to.focus()
    }
    const ticking = setInterval(() => shown.forEach(row => row.tick()), 1000)
    kernel.ask("snapshot").catch(error => el.replaceChildren(alarm(error.told)))
    return () => {
      clearInterval(ticking)
      kernel.close()
    }
  },
}

/** @param {any} first @param {Kernel} kernel */
function rowOf(first, kernel) {
  const phase = h("strong", {})
  const about = h("span", { class: "sd-about" }, first.prompt)
  const seconds = h("span", { class: "sd-seconds" })
  const bar = h("span", {})
  const track = h("div", { class: "sd-track", "aria-hidden": "true" }, bar)
  const told = h("div", { class: "sd-told" })
  const late = h("div", { class: "sd-told" })
  const isMeant = deliberate()
  const cancel = h("button", { type: "button", class: "sd-button", onclick: () => act("cancel") }, "Cancel")
  const again = h("button", { type: "button", class: "sd-button", onclick: (/** @type {Event} */ event) => isMeant(event) && act("again") }, "Try again")
  const dismiss = iconButton("close", "Dismiss", () => act("dismiss"))
  const buttons = [cancel, again, dismiss]
  const element = h("section", { class: "sd-job", "aria-label": first.prompt, tabindex: "-1" },
    h("div", { class: "sd-row" }, phase, about, seconds, cancel, again, dismiss), track, told, late)
  let began = 0
  let over = false
  let ended = false
  let asking = false

  /** @param {string} what */
  async function act(what) {
    if (asking) return
    asking = true
    buttons.forEach(each => { each.setAttribute("aria-disabled", "true") })
    try {
      await kernel.ask(what, { number: first.number })
    } catch (error) {
      lines(/** @type {Refusal} */ (error).told)
    } finally {
      asking = false
      late.textContent = ""
      buttons.forEach(each => { each.removeAttribute("aria-disabled") })
    }
  }
  /** @param {string[]} texts */
  function lines(texts) {
    const now = texts.join("\n")
    if (told.dataset.told !== now) told.replaceChildren(...texts.map(each => h("div", {}, each)))
    told.dataset.told = now
  }
  return {
    element,
    tick() { if (!over && !ended) seconds.textContent = elapsed((performance.now() - began) / 1000) },
    /** @param {boolean} isLate */
    late(isLate) { late.textContent = isLate && asking ? LATE : "" },
    gone() {
      ended = true
      buttons.forEach(each => { each.disabled = true })
    },
    /** @param {any} job */
    show(job) {
      over = job.over
      began = performance.now() - 1000 * job.seconds
      element.classList.toggle("sd-failed", over && job.phase !== "stopped")
      phase.textContent = named(job)
      const hadFocus = document.activeElement === cancel && (over || job.stopped !== null)
      cancel.hidden = over || job.stopped !== null
      cancel.title = !job.sent ? UNSENT : job.free ? SENT : BILLED
      again.hidden = dismiss.hidden = !over
      if (hadFocus) element.focus() // and not what buys another: it may be pressed twice
      seconds.hidden = over
      track.hidden = over
      track.classList.toggle("sd-moving", job.share === null && job.phase !== "waiting")
      bar.style.width = job.share === null ? "" : `${Math.round(100 * job.share)}%`
      lines(over ? job.error || [] : job.stopped || (job.phase === "waiting" ? [job.told] : []))
      this.tick()
    },
  }
}
