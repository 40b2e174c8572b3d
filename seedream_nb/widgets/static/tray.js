// The tray: reference images, dropped, pasted, picked, dragged from the notebook, or named.
// @ts-check
/* global h, line, shared, pieces, counter, spoken, iconButton, address, alarm, MOST_REFERENCES */

const MOST_BYTES = 100_000_000
const MOST_OFFERS = 8

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    el.classList.add("sd-piece")
    /** @type {Map<number, string>} */
    const thumbnails = new Map()
    const count = h("span", { class: "sd-hint" })
    const list = h("ul", { class: "sd-tray", "aria-label": "Reference images" })
    const said = h("div", {})
    const arriving = h("div", { class: "sd-hint", role: "status" })
    const picker = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => { take([...picker.files]); picker.value = "" } })
    const add = h("button", { type: "button", class: "sd-button", onclick: () => picker.click() }, "Add images")
    const written = h("input", { type: "text", class: "sd-input", "aria-label": "Add by name, path or URL", placeholder: "or a name, path, URL, @3 …", autocomplete: "off", onkeydown: key, oninput: offer })
    const offers = h("div", { class: "sd-offers", role: "group", "aria-label": "Suggestions" })
    const zone = h("div", { class: "sd-zone", ondragover: over, ondragleave: () => zone.classList.remove("sd-over"), ondrop: drop },
      list, h("div", { class: "sd-invite" }, h("span", { class: "sd-hint" }, "drop, paste or drag pictures here"), add))
    let store = shared("alone")
    /** @type {any[]} */
    let held = []
    /** @type {number | null} */
    let dragged = null

    el.replaceChildren(h("section", { class: "sd-field", onpaste: paste },
      h("div", { class: "sd-row" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "Reference images"), count), zone, written, offers, picker, arriving, said))
    el.addEventListener("lm-drop", dropFromBrowser)
    el.addEventListener("lm-dragenter", allowFromBrowser)
    el.addEventListener("lm-dragover", allowFromBrowser)

    kernel.onSnapshot(snapshot => {
      if (!leave.length) {
        store = shared(snapshot.panel)
        leave = [store.listen("draft", tally), store.listen("filled", tally)]
      }
      const before = JSON.stringify(held)
      store.tray = held = snapshot.tray
      if (JSON.stringify(held) === before) return tally()
      show()
      store.change("tray")
    })
    /** @type {Function[]} */
    let leave = []
    kernel.ask("snapshot").catch(() => {})

    function tally() {
      const made = counter(held.length, store.draft?.max_images ?? 1)
      count.textContent = made.text
      count.classList.toggle("sd-wrong", made.over)
    }
    function show() {
      tally()
      const active = document.activeElement
      const focused = list.contains(active) ? active?.getAttribute("data-key") : null
      list.replaceChildren(...held.map(item))
      zone.classList.toggle("sd-empty", held.length === 0)
      if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus()
      for (const each of held) if (!thumbnails.has(each.number) && !each.url) draw(each.number)
    }
    /** @param {number} number */
    async function draw(number) {
      thumbnails.set(number, "")
      const { buffers } = await kernel.ask("thumbnail", { number })
      if (!buffers[0]?.byteLength) return
      thumbnails.set(number, address(buffers[0], "image/jpeg"))
      show()
    }
    /** @param {any} each @param {number} place */
    function item(each, place) {
      const name = spoken(store.draft?.prompt ?? "", place + 1)
      const source = thumbnails.get(each.number)
      const picture = source ? h("img", { src: source, alt: "" }) : h("span", { class: "sd-noimage" }, each.url ? "URL" : "")
      const insert = h("button", {
        type: "button", class: "sd-reference", "data-key": `i${each.number}`, title: `${each.name}: insert “${name}” into the prompt`,
        onclick: () => store.change("insert", name),
      }, picture, h("span", { class: "sd-number-badge" }, String(place + 1)), " ", h("span", { class: "sd-name" }, each.name), h("span", { class: "sd-spoken" }, ` Insert “${name}” into the prompt`))
      const remove = iconButton("close", `Remove ${each.name}`, () => kernel.ask("remove", { number: each.number }).catch(fail))
      const move = h("button", {
        type: "button", class: "sd-small sd-move", "data-key": `m${each.number}`, "aria-label": `Move ${each.name}`,
        title: "Move: arrow keys, or drag", onkeydown: (/** @type {KeyboardEvent} */ event) => shift(event, each.number, place),
      }, h("span", { "aria-hidden": "true" }, "⠿"))
      return h("li", {
        draggable: "true", "aria-label": `${name}: ${each.name}`,
        ondragstart: () => { dragged = each.number },
        ondragend: () => { dragged = null },
        ondrop: (/** @type {DragEvent} */ event) => {
          if (dragged === null) return
          event.preventDefault()
          event.stopPropagation()
          zone.classList.remove("sd-over")
          kernel.ask("move", { number: dragged, place }).catch(fail)
        },
      }, insert, remove, move)
    }
    /** @param {KeyboardEvent} event @param {number} number @param {number} place */
    function shift(event, number, place) {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key]
      if (!step || place + step < 0 || place + step >= held.length) return
      event.preventDefault()
      event.stopPropagation()
      kernel.ask("move", { number, place: place + step }).catch(fail)
    }
    /** @param {any} error */
    function fail(error) {
      const problems = Object.values(error.fields || {}).flat()
      said.replaceChildren(alarm(problems.length ? problems : error.told))
    }
    /** @param {KeyboardEvent} event */
    async function key(event) {
      event.stopPropagation()
      if (event.key !== "Enter" || !written.value.trim()) return
      event.preventDefault()
      await name(written.value)
    }
    async function offer() {
      const word = written.value
      const found = await kernel.ask("offers", { word }).catch(() => null)
      if (found && word === written.value) offers.replaceChildren(...(word ? found.offers.slice(0, MOST_OFFERS).map(chip) : []))
    }
    /** @param {string} word */
    function chip(word) {
      return h("button", { type: "button", class: "sd-chip", onclick: () => name(word).then(() => written.focus()) }, word)
    }
    /** @param {string} text */
    async function name(text) {
      said.replaceChildren()
      try {
        await kernel.ask("add", { written: text })
        written.value = ""
        offers.replaceChildren()
      } catch (reason) {
        fail(/** @type {Refusal} */ (reason))
      }
    }
    /** @param {DragEvent} event */
    function over(event) {
      event.preventDefault()
      zone.classList.add("sd-over")
    }
    /** @param {DragEvent} event */
    function drop(event) {
      event.preventDefault()
      event.stopPropagation()
      zone.classList.remove("sd-over")
      if (dragged === null && event.dataTransfer) receive(event.dataTransfer)
    }
    /** @param {ClipboardEvent} event */
    function paste(event) {
      if (!event.clipboardData?.files.length) {
        if (event.target !== written) said.replaceChildren(alarm(["What was pasted holds no picture. Copy a picture, or add it by name, path or URL."]))
        return
      }
      event.preventDefault()
      event.stopPropagation()
      receive(event.clipboardData)
    }
    /** Take what was dropped or pasted: files, else a picture of the page.
     * @param {DataTransfer} data */
    async function receive(data) {
      const files = [...data.files]
      if (files.length) return take(files)
      const mark = /data-seedream="(@\d+\.\d+)"/.exec(data.getData("text/html"))
      if (mark) return name(mark[1])
      const source = data.getData("text/uri-list").split("\n")[0] || new DOMParser().parseFromString(data.getData("text/html"), "text/html").querySelector("img")?.src || ""
      if (/^(data|blob):/.test(source)) {
        const blob = await (await fetch(source)).blob()
        return take([new File([blob], "picture", { type: blob.type })])
      }
      if (/^https?:/.test(source)) return name(source)
      said.replaceChildren(alarm(["What was dropped holds no picture."]))
    }
    /** Hand files over, piece by piece: one message over 10 MiB would close the connection.
     * @param {File[]} files */
    async function take(files) {
      said.replaceChildren()
      const lines = []
      for (const file of files) {
        try {
          if (file.size > MOST_BYTES) throw { told: [`${file.name}: has ${Math.round(file.size / 1e6)} MB; the panel takes up to ${MOST_BYTES / 1e6} MB. Name its path below.`] }
          if (file.size === 0) throw { told: [`${file.name}: the file is empty.`] }
          await send(file)
        } catch (error) {
          lines.push(.../** @type {any} */ (error).told.slice(0, 1))
        }
      }
      arriving.textContent = ""
      if (lines.length) said.replaceChildren(alarm(lines))
    }
    /** @param {File} file */
    async function send(file) {
      const key = Math.random().toString(36).slice(2)
      for (const [start, end] of pieces(file.size)) {
        if (file.size > 4e6) arriving.textContent = `${file.name}: ${Math.round((100 * start) / file.size)} %`
        const bytes = await file.slice(start, end).arrayBuffer()
        await kernel.ask("file", { key, name: file.name, size_bytes: file.size, offset: start }, [bytes])
      }
    }
    /** @param {any} event */
    function allowFromBrowser(event) {
      if (!event.mimeData?.hasData("application/x-jupyter-icontentsrich") && !event.mimeData?.hasData("application/x-jupyter-icontents")) return
      event.preventDefault()
      event.stopPropagation()
      event.dropAction = event.proposedAction
    }
    /** A file of JupyterLab's own browser: its path. @param {any} event */
    function dropFromBrowser(event) {
      event.preventDefault()
      event.stopPropagation()
      const paths = event.mimeData?.getData("application/x-jupyter-icontents") || []
      for (const path of paths) name(path.replace(/^[A-Za-z]+:/, ""))
    }
    return () => {
      kernel.close()
      leave.forEach(each => each())
    }
  },
}
