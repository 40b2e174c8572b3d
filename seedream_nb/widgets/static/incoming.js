// What comes into the tray: files in pieces, pictures that are dragged or pasted; and what is said of it.
// @ts-check

import { alarm, CHUNK_BYTES, h, MOST_REFERENCES, pieces } from "./common.js"
/** @import { Kernel } from "./line.js" */
/** @import { Shelf } from "./references.js" */

/** @typedef {ReturnType<typeof telling>} Told */
/** @typedef {ReturnType<typeof arrivals>} Arrivals */
/** @typedef {{name: string, come: () => Promise<any>}} Arrival something on its way into the tray */

const MOST_BYTES = 100_000_000
const MOST_LINES = 6
const PATHS = "application/x-jupyter-icontents"
const NO_PICTURE = "contains no picture. Copy a picture, or add it by name, path or URL."

/** Whether a paste is of pictures; a text editor that copies text puts a picture of it beside.
 * @param {readonly string[]} types @param {boolean} inText whether it goes into a field for text */
export function isOfPictures(types, inText) {
  return types.includes("Files") && !(inText && types.includes("text/plain") && types.includes("text/html"))
}

/** The lines of what was refused, by the kernel or by the browser.
 * @param {any} error @param {string} name what could not come */
export function refusal(error, name) {
  const problems = Object.values(error?.fields ?? {}).flat()
  return problems.length ? problems : error?.told ?? [`${name}: it can't be read here (${error?.message || error}).`]
}

/** What the tray says: problems, how much of a file is on its way, and what only a screen reader needs. */
export function telling() {
  const problems = h("div", {})
  const name = h("span", { class: "sd-hint" })
  const bar = h("progress", { class: "sd-progress", max: 1 })
  const progress = h("div", { class: "sd-row", hidden: true }, name, bar)
  const late = h("div", { class: "sd-hint", role: "status" })
  const status = h("div", { class: "sd-spoken", role: "status" })
  /** @type {string[]} */
  let lines = []
  return {
    element: h("div", { class: "sd-told-tray" }, progress, late, problems, status),
    clear() {
      lines = []
      problems.replaceChildren()
    },
    /** @param {string[]} more */
    problems(more) {
      if (!more.length) return
      lines.push(...more)
      const rest = lines.length - MOST_LINES
      problems.replaceChildren(alarm(rest > 0 ? [...lines.slice(0, MOST_LINES), `… and ${rest} more.`] : lines))
    },
    /** @param {string} [file] @param {number} [share] */
    progress(file, share = 0) {
      progress.hidden = file === undefined
      if (file === undefined) late.textContent = ""
      name.textContent = `${file}: ${Math.round(100 * share)} %`
      bar.value = share
      bar.setAttribute("aria-label", `Sending ${file}`)
    },
    /** @param {boolean} isLate */
    late(isLate) { late.textContent = isLate ? "Queued until the running cell ends." : "" },
    /** @param {string} words */
    announce(words) { status.textContent = words },
  }
}

/** What comes into the tray, one after the other, so that it keeps its order; what is refused is told together.
 * @param {Kernel} kernel @param {Told} told @param {any} resolver JupyterLab's, which knows where the server's files lie */
export function arrivals(kernel, told, resolver) {
  let last = Promise.resolve()
  let waiting = 0
  /** Whether all has come of what is on its way. */
  let whole = Promise.resolve(true)
  let isClosed = false
  let end = () => {}
  const closed = new Promise(resolve => { end = () => resolve(false) })
  /** @type {string | null} */
  let sending = null

  /** Let these come; kept with whether all did. @param {Arrival[]} all @returns {Promise<boolean>} */
  function take(all) {
    if (waiting++ === 0) {
      told.clear()
      whole = Promise.resolve(true)
    }
    const taken = last.then(() => comeEach(all))
    whole = Promise.all([whole, taken]).then(each => each.every(Boolean))
    last = taken.then(() => { waiting-- })
    return taken
  }
  /** @param {Arrival[]} all */
  async function comeEach(all) {
    const lines = []
    for (const { name, come } of all) {
      try {
        await come()
      } catch (error) {
        lines.push(...refusal(error, name))
      }
      told.progress()
    }
    told.problems(lines)
    return !lines.length
  }
  /** Hand a file over, piece by piece: one message over 10 MiB would close the connection. @param {File} file */
  async function send(file) {
    if (!file.size) throw refused(`${file.name}: the file is empty.`)
    if (file.size > MOST_BYTES) throw tooLarge(file.name, file.size)
    if (self.room <= 0) throw refused(`${file.name}: at most ${MOST_REFERENCES} references fit. Remove one first.`)
    const key = (sending = Math.random().toString(36).slice(2))
    try {
      for (const [start, end] of pieces(file.size)) {
        if (file.size > CHUNK_BYTES) told.progress(file.name, start / file.size)
        const bytes = await file.slice(start, end).arrayBuffer()
        if (isClosed) throw refused(`${file.name}: its view was closed.`) // what is sent now would stay there
        await kernel.ask("file", { key, name: file.name, size_bytes: file.size, offset: start }, [bytes])
      }
    } catch (error) {
      kernel.ask("forget", { key }).catch(() => {})
      throw error
    } finally {
      sending = null
    }
  }
  /** Hand over what lies at an address that this page can read. @param {string} address @param {string} name */
  async function sendFrom(address, name) {
    const response = await fetch(address)
    if (!response.ok) throw refused(`${name}: the server didn't return this file (${response.status}).`)
    const size = Number(response.headers.get("content-length"))
    if (size > MOST_BYTES) {
      response.body?.cancel()
      throw tooLarge(name, size)
    }
    await send(new File([await response.blob()], name))
  }
  const self = {
    /** How many more references fit, as far as is known. */
    room: MOST_REFERENCES,
    take,
    /** Whether all comes of what is on its way; null if nothing is. */
    arrived: () => (waiting ? Promise.race([whole, closed]) : null),
    /** @param {File[]} files */
    files: files => take(files.map(file => ({ name: file.name, come: () => send(file) }))),
    /** What a person typed. @param {string} written */
    name: written => take([{ name: written, come: () => kernel.ask("add", { written }) }]),
    /** What a drag or the clipboard carries; it must be read at once. @param {DataTransfer} data @param {string} what */
    carried(data, what) {
      const image = new DOMParser().parseFromString(data.getData("text/html"), "text/html").querySelector("img")
      const files = [...data.files].map(file => ({ name: file.name, come: () => send(file) }))
      const one = ofHistory(image) ?? (files.length ? null : ofAddress(image, data))
      const all = one ? [one] : files
      take(all.length ? all : [{ name: what, come: () => Promise.reject(refused(`${what} ${NO_PICTURE}`)) }])
    },
    /** Files of JupyterLab's own browser, as it names them: fetched from the server, wherever the kernel is.
     * @param {string[]} paths */
    paths: paths => take(paths.map(path => ({
      name: nameOf(path),
      come: async () => {
        if (!resolver) throw refused(`${nameOf(path)}: it can't be fetched here. Add it by its path.`)
        await sendFrom(await resolver.getDownloadUrl(encodeURIComponent(path)), nameOf(path))
      },
    }))),
    /** The kernel is gone: say so where nobody else does. @param {boolean} isAlone */
    breakOff(isAlone) {
      told.progress()
      if (waiting) told.problems(["The kernel was restarted before everything had arrived. Run this cell again, and add it again."])
      else if (isAlone) told.problems(["The kernel was restarted. Run this cell again."])
    },
    /** What is only half there must not stay in the kernel. */
    close() {
      isClosed = true
      end()
      if (sending) kernel.ask("forget", { key: sending }).catch(() => {})
    },
  }
  /** A picture that we made, by its mark: what is dragged is but its preview. @param {HTMLImageElement | null} image @returns {Arrival | null} */
  function ofHistory(image) {
    const [, mark, file] = /^(@\d+\.\d+)(?: (.+))?$/s.exec(image?.dataset.seedream ?? "") ?? []
    if (!mark) return null
    return { name: mark, come: () => (file ? kernel.ask("shown", { mark, file }) : kernel.ask("add", { written: mark })) }
  }
  /** A picture of the page or of another one. @param {HTMLImageElement | null} image @param {DataTransfer} data @returns {Arrival | null} */
  function ofAddress(image, data) {
    const source = image?.src || data.getData("text/uri-list").split(/\r?\n/).find(each => each && !each.startsWith("#")) || ""
    const name = image?.alt || (/^https?:/.test(source) ? nameOf(new URL(source).pathname) : "picture")
    if (/^(data|blob):/.test(source) || source.startsWith(`${location.origin}/`)) return { name, come: () => sendFrom(source, name) }
    return /^https?:/.test(source) ? { name: source, come: () => kernel.ask("add", { written: source }) } : null
  }
  return self
}

/** The name at the end of a path. @param {string} path */
function nameOf(path) {
  return path.split("/").pop() || "picture"
}

/** @param {string} told */
function refused(told) {
  return { told: [told], fields: {} }
}

/** @param {string} name @param {number} size */
function tooLarge(name, size) {
  return refused(`${name}: has ${megabytes(size)}; the panel takes up to ${megabytes(MOST_BYTES)}. Make it smaller, or add it by its path.`)
}

/** Take what is dropped or pasted on an element: from anywhere in the panel files, else what is in the tray's own part.
 * @param {HTMLElement} whole @param {HTMLElement} zone @param {HTMLElement} section @param {Shelf} shelf @param {Arrivals} incoming */
export function dropsOn(whole, zone, section, shelf, incoming) {
  const light = (/** @type {boolean} */ on) => zone.classList.toggle("sd-over", on)
  const isOurs = (/** @type {any} */ event) => section.contains(event.target) || event.dataTransfer?.types.includes("Files")
  const hasPaths = (/** @type {any} */ event) => event.mimeData?.hasData(PATHS)
  const stop = (/** @type {Event} */ event) => { event.preventDefault(); event.stopPropagation() }
  /** @type {Record<string, (event: any) => void>} */
  const heard = {
    dragover(event) {
      if (!isOurs(event)) return
      stop(event)
      if (!shelf.isMoving()) light(true)
    },
    dragleave(event) { if (!whole.contains(event.relatedTarget)) light(false) },
    drop(event) {
      if (!isOurs(event)) return
      stop(event)
      light(false)
      if (!shelf.isMoving()) incoming.carried(event.dataTransfer, "What was dropped")
    },
    paste(event) {
      const inText = event.target.matches("textarea, input:not([type=radio], [type=checkbox])")
      if (isOfPictures(event.clipboardData.types, inText)) {
        stop(event)
        incoming.files([...event.clipboardData.files])
      } else if (!inText) incoming.carried(event.clipboardData, "What was pasted")
    },
  }
  for (const [name, on] of Object.entries({ "lm-dragenter": true, "lm-dragover": true, "lm-dragleave": false, "lm-drop": false }))
    heard[name] = event => {
      if (!hasPaths(event)) return
      stop(event)
      light(on)
      event.dropAction = event.proposedAction
      if (name === "lm-drop") incoming.paths(event.mimeData.getData(PATHS))
    }
  for (const [name, act] of Object.entries(heard)) whole.addEventListener(name, act)
  return () => { for (const [name, act] of Object.entries(heard)) whole.removeEventListener(name, act) }
}

/** @param {number} number */
function megabytes(number) {
  return `${Math.round(number / 1e6)} MB`
}
