// What comes into the tray, one after the other: files in pieces, pictures that are dragged or pasted, names.
// @ts-check

import { CHUNK_BYTES, pieces } from "./bytes.js"
import { refusal, refused } from "./refusal.js"
/** @import { Answers, Resolver } from "./protocol.js" */
/** @import { TrayMessages } from "./trayMessages.js" */

/** Something on its way into the tray. @typedef {{name: string, come: () => Promise<unknown>}} Arrival */
/** @typedef {<What extends keyof Answers>(what: What, fields: object, buffers?: ArrayBuffer[]) => Promise<Answers[What]>} Ask */

const MOST_BYTES = 100_000_000
const NO_PICTURE = "contains no picture. Copy a picture, or add it by name, path or URL."

/** Whether a paste is of pictures; a text editor that copies text puts a picture of it beside.
 * @param {readonly string[]} types @param {boolean} inText whether it goes into a field for text */
export function isOfPictures(types, inText) {
  return types.includes("Files") && !(inText && types.includes("text/plain") && types.includes("text/html"))
}

/** What comes keeps its order; what is refused is told together. */
export class Arrivals {
  /** How many references there may be, and how many of them still fit; as far as is known. */
  most = Infinity
  room = Infinity
  #ask
  #messages
  #resolver
  #last = Promise.resolve()
  #waiting = 0
  /** Whether all has come of what is on its way. */
  #whole = Promise.resolve(true)
  #isClosed = false
  #end = () => {}
  /** @type {Promise<boolean>} */
  #closed = new Promise(resolve => { this.#end = () => resolve(false) })
  /** The file that is being handed over. @type {string | null} */
  #sending = null

  /** @param {Ask} ask @param {Pick<TrayMessages, "clear" | "problems" | "progress">} messages @param {Resolver | undefined} resolver */
  constructor(ask, messages, resolver) {
    this.#ask = ask
    this.#messages = messages
    this.#resolver = resolver
  }
  /** Whether all comes of what is on its way; null if nothing is. */
  arrived = () => (this.#waiting ? Promise.race([this.#whole, this.#closed]) : null)

  /** @param {File[]} files */
  files(files) {
    return this.#take(files.map(file => this.#ofFile(file)))
  }
  /** What a person typed. @param {string} written */
  name(written) {
    return this.#take([{ name: written, come: () => this.#ask("add", { written }) }])
  }
  /** What a drag or the clipboard carries; it must be read at once. @param {DataTransfer} data @param {string} what */
  carried(data, what) {
    const image = new DOMParser().parseFromString(data.getData("text/html"), "text/html").querySelector("img")
    const files = [...data.files].map(file => this.#ofFile(file))
    const one = this.#ofHistory(image) ?? (files.length ? null : this.#ofAddress(image, data))
    const all = one ? [one] : files
    this.#take(all.length ? all : [{ name: what, come: () => Promise.reject(refused(`${what} ${NO_PICTURE}`)) }])
  }
  /** Files of JupyterLab's own browser, as it names them: fetched from the server, wherever the kernel is.
   * @param {string[]} paths */
  paths(paths) {
    this.#take(paths.map(path => ({ name: nameOf(path), come: () => this.#fetch(path) })))
  }
  /** The kernel is gone: say so where nobody else does. @param {boolean} isAlone */
  breakOff(isAlone) {
    this.#messages.progress()
    if (this.#waiting) this.#messages.problems(["The kernel was restarted before everything had arrived. Run this cell again, and add it again."])
    else if (isAlone) this.#messages.problems(["The kernel was restarted. Run this cell again."])
  }
  /** What is only half there must not stay in the kernel. */
  close() {
    this.#isClosed = true
    this.#end()
    if (this.#sending) this.#forget(this.#sending)
  }
  /** Let these come; kept with whether all did. @param {Arrival[]} all @returns {Promise<boolean>} */
  #take(all) {
    if (this.#waiting++ === 0) {
      this.#messages.clear()
      this.#whole = Promise.resolve(true)
    }
    const taken = this.#last.then(() => this.#comeEach(all))
    this.#whole = Promise.all([this.#whole, taken]).then(came => came.every(Boolean))
    this.#last = taken.then(() => { this.#waiting-- })
    return taken
  }
  /** @param {Arrival[]} all */
  async #comeEach(all) {
    const told = []
    for (const { name, come } of all) {
      try {
        await come()
      } catch (error) {
        told.push(...refusal(error, name))
      }
      this.#messages.progress()
    }
    this.#messages.problems(told)
    return !told.length
  }
  /** Hand a file over, piece by piece: one message over 10 MiB would close the connection. @param {File} file */
  async #send(file) {
    const { name, size } = file
    if (!size) throw refused(`${name}: the file is empty.`)
    if (size > MOST_BYTES) throw tooLarge(name, size)
    if (this.room <= 0) throw refused(`${name}: at most ${this.most} references fit. Remove one first.`)
    const key = (this.#sending = Math.random().toString(36).slice(2))
    try {
      for (const [start, end] of pieces(size)) {
        if (size > CHUNK_BYTES) this.#messages.progress(name, start / size)
        const bytes = await file.slice(start, end).arrayBuffer()
        if (this.#isClosed) throw refused(`${name}: its view was closed.`) // what is sent now would stay there
        await this.#ask("file", { key, name, size_bytes: size, offset: start }, [bytes])
      }
    } catch (error) {
      this.#forget(key)
      throw error
    } finally {
      this.#sending = null
    }
  }
  /** @param {string} key */
  #forget(key) {
    this.#ask("forget", { key }).catch(() => {})
  }
  /** Hand over what lies at an address that this page can read. @param {string} address @param {string} name */
  async #sendFrom(address, name) {
    const response = await fetch(address)
    if (!response.ok) throw refused(`${name}: the server didn't return this file (${response.status}).`)
    const size = Number(response.headers.get("content-length"))
    if (size > MOST_BYTES) {
      response.body?.cancel()
      throw tooLarge(name, size)
    }
    await this.#send(new File([await response.blob()], name))
  }
  /** @param {string} path of a file on the server */
  async #fetch(path) {
    if (!this.#resolver) throw refused(`${nameOf(path)}: it can't be fetched here. Add it by its path.`)
    await this.#sendFrom(await this.#resolver.getDownloadUrl(encodeURIComponent(path)), nameOf(path))
  }
  /** @param {File} file @returns {Arrival} */
  #ofFile(file) {
    return { name: file.name, come: () => this.#send(file) }
  }
  /** A picture that we made, by its mark: what is dragged is but its preview. @param {HTMLImageElement | null} image @returns {Arrival | null} */
  #ofHistory(image) {
    const [, mark, file] = /^(@\d+\.\d+)(?: (.+))?$/s.exec(image?.dataset.seedream ?? "") ?? []
    if (!mark) return null
    return { name: mark, come: () => (file ? this.#ask("shown", { mark, file }) : this.#ask("add", { written: mark })) }
  }
  /** A picture of the page or of another one. @param {HTMLImageElement | null} image @param {DataTransfer} data @returns {Arrival | null} */
  #ofAddress(image, data) {
    const source = image?.src || data.getData("text/uri-list").split(/\r?\n/).find(line => line && !line.startsWith("#")) || ""
    const name = image?.alt || (/^https?:/.test(source) ? nameOf(new URL(source).pathname) : "picture")
    if (/^(data|blob):/.test(source) || source.startsWith(`${location.origin}/`)) return { name, come: () => this.#sendFrom(source, name) }
    return /^https?:/.test(source) ? { name: source, come: () => this.#ask("add", { written: source }) } : null
  }
}

/** The name at the end of a path. @param {string} path */
function nameOf(path) {
  return path.split("/").pop() || "picture"
}

/** @param {string} name @param {number} size */
function tooLarge(name, size) {
  return refused(`${name}: has ${megabytes(size)}; the panel takes up to ${megabytes(MOST_BYTES)}. Make it smaller, or add it by its path.`)
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`
}
