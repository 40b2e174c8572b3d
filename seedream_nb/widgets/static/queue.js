// The queue: what runs, waits or has failed.
// @ts-check
/* global h, line, elapsed, iconButton */

/** @type {Record<string, string>} */
const WORDS = { preparing: "Preparing", waiting: "Waiting", uploading: "Uploading", generating: "Generating", downloading: "Downloading" }

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    el.classList.add("sd-piece")
    const rows = h("div", { class: "sd-queue" })
    const status = h("div", { role: "status", "aria-label": "Progress", class: "sd-spoken" })
    el.replaceChildren(status, rows)
    /** @type {Map<string, any>} */
    const shown = new Map()
    let spoken = ""
    kernel.onSnapshot(({ jobs }) => {
      const there = new Set(jobs.map((/** @type {any} */ job) => job.number))
      for (const [number, row] of shown) if (!there.has(number)) { row.element.remove(); shown.delete(number) }
      for (const job of jobs) {
        const row = shown.get(job.number) || made(job)
        row.show(job)
      }
      const words = jobs.map((/** @type {any} */ job) => `${job.over ? "Failed" : WORDS[job.phase] || job.phase}: ${job.prompt.slice(0, 60)}`).join(". ")
      if (words !== spoken) status.textContent = spoken = words
    })
    /** @param {any} job */
    function made(job) {
      const row = rowOf(job, kernel)
      shown.set(job.number, row)
      rows.append(row.element)
      return row
    }
    const ticking = setInterval(() => shown.forEach(row => row.tick()), 1000)
    kernel.ask("snapshot").catch(() => {})
    return () => {
      clearInterval(ticking)
      kernel.close()
    }
  },
}

/** @param {any} first @param {any} kernel */
function rowOf(first, kernel) {
  const phase = h("strong", {})
  const about = h("span", { class: "sd-about" }, first.prompt)
  const seconds = h("span", { class: "sd-seconds" })
  const bar = h("span", {})
  const track = h("div", { class: "sd-track", "aria-hidden": "true" }, bar)
  const told = h("div", { class: "sd-told" })
  const cancel = h("button", { type: "button", class: "sd-button", onclick: stop }, "Cancel")
  const again = h("button", { type: "button", class: "sd-button", onclick: () => kernel.ask("again", { number: first.number }).catch(fail) }, "Try again")
  const dismiss = iconButton("close", "Dismiss", () => kernel.ask("dismiss", { number: first.number }).catch(fail))
  const element = h("section", { class: "sd-job", "aria-label": first.prompt },
    h("div", { class: "sd-row" }, phase, about, seconds, cancel, again, dismiss), track, told)
  let began = 0
  let over = false

  function stop() {
    cancel.disabled = true
    kernel.ask("cancel", { number: first.number }).catch(fail)
  }
  /** @param {any} error */
  function fail(error) {
    cancel.disabled = false
    told.replaceChildren(...error.told.map((/** @type {string} */ each) => h("div", {}, each)))
  }
  return {
    element,
    tick() { if (!over) seconds.textContent = elapsed((performance.now() - began) / 1000) },
    /** @param {any} job */
    show(job) {
      over = job.over
      began = performance.now() - 1000 * job.seconds
      element.classList.toggle("sd-failed", over)
      phase.textContent = over ? "Failed" : WORDS[job.phase] || job.phase
      cancel.hidden = over
      again.hidden = dismiss.hidden = !over
      seconds.hidden = over
      track.hidden = over
      track.classList.toggle("sd-moving", job.share === null && job.phase !== "waiting")
      bar.style.width = job.share === null ? "" : `${Math.round(100 * job.share)}%`
      if (over) told.replaceChildren(...(job.error || []).map((/** @type {string} */ each) => h("div", {}, each)))
      else if (job.phase === "waiting") told.textContent = job.told
      else told.textContent = ""
      this.tick()
    },
  }
}
