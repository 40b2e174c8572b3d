// The gallery: the history as a wall of pictures, a full-size view, and what can be done with each.
// @ts-check
/* global h, line, shared, iconButton, icon, address, alarm */

const SEARCH_AFTER = 150

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  async render({ model, el }) {
    const kernel = line(model)
    el.classList.add("sd-piece")
    /** @type {Map<string, string>} */
    const thumbnails = new Map()
    const search = h("input", { type: "search", class: "sd-input", "aria-label": "Search history", placeholder: "Search history", oninput: sought, onkeydown: (/** @type {Event} */ event) => event.stopPropagation() })
    const stars = h("button", { type: "button", class: "sd-button sd-stars", "aria-pressed": "false", "aria-label": "Only with a star", title: "Only with a star", onclick: () => { onlyStars = !onlyStars; stars.setAttribute("aria-pressed", String(onlyStars)); restart() } })
    const list = h("ul", { class: "sd-wall", "aria-label": "History" })
    const empty = h("div", { class: "sd-nothing" })
    const end = h("div", { class: "sd-end" })
    const said = h("div", {})
    const spoken = h("div", { role: "status", class: "sd-spoken" })
    el.replaceChildren(h("section", {},
      h("div", { class: "sd-row sd-find" }, h("div", { class: "sd-label", "aria-hidden": "true" }, "History"), search, stars), said, spoken, list, empty, end))
    /** @type {any[]} */
    let entries = []
    let whole = false
    let loading = false
    let stamp = -2
    let asked = 0
    let panel = ""
    let onlyStars = false
    /** @type {any} */
    let timer
    /** @type {Set<string>} */
    const wanted = new Set()

    const inSight = new IntersectionObserver(seen => {
      for (const each of seen) if (each.isIntersecting) {
        const mark = each.target.getAttribute("data-mark")
        if (mark && !thumbnails.has(mark)) wanted.add(mark)
        inSight.unobserve(each.target)
      }
      fetchThumbnails()
    }, { rootMargin: "300px" })
    const atEnd = new IntersectionObserver(seen => { if (seen.some(each => each.isIntersecting)) more() }, { rootMargin: "600px" })
    atEnd.observe(end)

    kernel.onSnapshot(snapshot => {
      panel = snapshot.panel
      if (snapshot.history === stamp) return
      stamp = snapshot.history
      newest()
    })
    kernel.ask("snapshot").catch(() => {})

    function sought() {
      clearTimeout(timer)
      timer = setTimeout(restart, SEARCH_AFTER)
    }
    async function restart() {
      entries = []
      whole = false
      list.replaceChildren()
      loading = false
      await more()
      spoken.textContent = search.value ? `${entries.length}${whole ? "" : " or more"} found` : ""
    }
    /** Fetch the next page of what is older. */
    async function more() {
      if (whole || loading || stamp === -2) return
      loading = true
      const number = ++asked
      const page = await kernel.ask("entries", { before: entries.at(-1)?.id ?? null, words: search.value, stars: onlyStars }).catch(fail)
      if (number !== asked || !page) return
      loading = false
      count(page)
      whole = page.whole
      entries.push(...page.entries)
      list.append(...page.entries.map(card))
      tellIfEmpty()
    }
    /** Fetch what is new, and put it first without moving what has the focus. */
    async function newest() {
      if (!entries.length) { whole = false; return more() }
      const page = await kernel.ask("entries", { before: null, words: search.value, stars: onlyStars }).catch(fail)
      if (!page) return
      count(page)
      const first = entries[0].id
      const fresh = page.entries.filter((/** @type {any} */ each) => each.id > first)
      const changed = page.entries.filter((/** @type {any} */ each) => entries.some(old => old.id === each.id && JSON.stringify(old) !== JSON.stringify(each)))
      for (const each of changed) {
        const place = entries.findIndex(old => old.id === each.id)
        entries[place] = each
        list.children[place].replaceWith(card(each))
      }
      entries.unshift(...fresh)
      list.prepend(...fresh.map(card))
      tellIfEmpty()
    }
    /** @param {any} page */
    function count(page) {
      stars.replaceChildren(icon("star"), ` ${page.starred}`)
      stars.hidden = !page.starred && !onlyStars
    }
    function tellIfEmpty() {
      const words = search.value.trim()
      empty.replaceChildren(...(entries.length ? [] : onlyStars ? [h("p", {}, "Nothing has a star here.")] : words
        ? [h("p", {}, `Nothing has all of these words: ${words}`)]
        : [h("p", { class: "sd-lead" }, "Your pictures will be here."), h("p", {}, "Write what the picture should show, and press Generate.")]))
    }
    /** @param {any} error */
    function fail(error) {
      said.replaceChildren(alarm(error.told))
    }
    /** @param {any} entry */
    function card(entry) {
      const first = entry.pictures[0]
      const face = h("button", { type: "button", class: "sd-face", "data-mark": first?.mark ?? null, disabled: !first, "aria-label": first ? `View ${entry.mark}` : `${entry.mark}: ${entry.status}`, onclick: () => first && view(entry, 0) },
        first ? picture(first.mark) : h("span", { class: "sd-noimage" }, entry.status))
      if (first) inSight.observe(face)
      const several = entry.pictures.length > 1 ? ` · ${entry.pictures.length}` : ""
      const act = (/** @type {string} */ what, /** @type {object} */ fields) => kernel.ask(what, fields).catch(fail)
      const star = iconButton("star", "Star", () => act("star", { generation: entry.id, on: !entry.starred }))
      star.setAttribute("aria-pressed", String(entry.starred))
      const actions = h("div", { class: "sd-actions" },
        first && iconButton("use", "Use as reference", () => act("use", { mark: first.mark })),
        iconButton("again", "Run again", () => act("rerun", { generation: entry.id })),
        iconButton("edit", "Edit request", () => act("edit", { generation: entry.id, form: shared(panel).draft })),
        iconButton("code", "Copy as cell", () => copy(entry)),
        star,
        first && iconButton("download", "Download", () => download(first.mark)))
      const from = entry.sources.length ? h("span", { class: "sd-from" }, ` from ${entry.sources.join(", ")}`) : null
      return h("li", { class: "sd-card", "aria-label": entry.prompt },
        face, h("span", { class: "sd-mark" }, `${entry.mark}${several}`), entry.sandbox && h("span", { class: "sd-mark sd-badge" }, "sandbox"),
        h("div", { class: "sd-caption", title: entry.prompt }, entry.prompt, from),
        h("div", { class: "sd-meta" }, h("span", {}, entry.size || entry.status), h("span", {}, entry.seconds === null ? "" : `${entry.seconds.toFixed(entry.seconds < 10 ? 1 : 0)} s`)),
        actions)
    }
    /** @param {string} mark */
    function picture(mark) {
      return h("img", { alt: "", src: thumbnails.get(mark) ?? null, "data-picture": mark, draggable: "true", ondragstart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData("text/html", `<img data-seedream="${mark}">`) })
    }
    async function fetchThumbnails() {
      const marks = [...wanted].slice(0, 24)
      if (!marks.length) return
      marks.forEach(mark => { wanted.delete(mark); thumbnails.set(mark, "") })
      const page = await kernel.ask("thumbnails", { marks }).catch(() => null)
      page?.marks.forEach((/** @type {string} */ mark, /** @type {number} */ place) => {
        thumbnails.set(mark, address(page.buffers[place], "image/jpeg"))
        list.querySelectorAll(`img[data-picture="${mark}"]`).forEach((/** @type {any} */ image) => { image.src = thumbnails.get(mark) })
      })
      fetchThumbnails()
    }
    /** @param {any} entry */
    async function copy(entry) {
      const made = await kernel.ask("code", { generation: entry.id }).catch(fail)
      if (!made) return
      const notebook = model.widget_manager?.context?.model?.sharedModel
      if (notebook?.insertCell) {
        notebook.insertCell(below(notebook), { cell_type: "code", source: made.cell, metadata: {} })
        spoken.textContent = "The cell is below."
        return
      }
      await navigator.clipboard.writeText(made.cell)
      said.replaceChildren(h("div", { class: "sd-hint", role: "status" }, `The cell that makes ${entry.mark} is on the clipboard.`))
    }
    /** The place below the cell that the panel is in. @param {any} notebook */
    function below(notebook) {
      const cell = el.closest(".jp-Cell")
      const place = cell ? [...(cell.parentElement?.querySelectorAll(":scope > .jp-Cell") ?? [])].indexOf(cell) : -1
      return place < 0 ? notebook.cells.length : place + 1
    }
    /** @param {string} mark */
    async function download(mark) {
      const made = await kernel.ask("picture", { mark }).catch(fail)
      if (!made) return
      const link = h("a", { href: address(made.buffers[0], made.media_type), download: made.name })
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    }
    /** The full-size view. @param {any} entry @param {number} place */
    function view(entry, place) {
      let at = { entry, place }
      const image = h("img", { class: "sd-full", alt: entry.prompt, onclick: zoom })
      const title = h("div", { class: "sd-title" })
      const bar = h("div", { class: "sd-row sd-viewbar" }, title,
        h("button", { type: "button", class: "sd-button", onclick: use }, "Use as reference"),
        h("button", { type: "button", class: "sd-button", onclick: () => download(at.entry.pictures[at.place].mark) }, "Download"),
        iconButton("close", "Close", () => dialog.close()))
      const previous = iconButton("left", "Previous", () => step(-1))
      const next = iconButton("right", "Next", () => step(1))
      const stage = h("div", { class: "sd-stage", tabindex: "0", "aria-label": "Picture; Enter zooms" }, image)
      const dialog = h("dialog", { class: "sd-view", "aria-label": "Picture", onkeydown: key, onclose: () => { release(); dialog.remove(); face()?.focus() } }, bar, previous, stage, next)
      let source = ""
      const face = () => /** @type {any} */ (list.querySelector(`[data-mark="${at.entry.pictures[0].mark}"]`))
      const release = () => { if (source) URL.revokeObjectURL(source); source = "" }
      function zoom() { stage.classList.toggle("sd-zoomed") }
      function use() {
        kernel.ask("use", { mark: at.entry.pictures[at.place].mark }).then(() => dialog.close(), fail)
      }
      /** @param {KeyboardEvent} event */
      function key(event) {
        event.stopPropagation()
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); step(event.key === "ArrowLeft" ? -1 : 1) }
        if (event.key === "Enter" && event.target === stage) zoom()
      }
      /** @param {number} way */
      function step(way) {
        const all = entries.flatMap(each => each.pictures.map((/** @type {any} */ _, /** @type {number} */ index) => ({ entry: each, place: index })))
        const now = all.findIndex(each => each.entry.id === at.entry.id && each.place === at.place)
        const to = all[now + way]
        if (to) { at = to; show() }
      }
      async function show() {
        const { mark, width, height } = at.entry.pictures[at.place]
        title.textContent = `${mark} · ${width}×${height} · ${at.entry.prompt}`
        image.alt = at.entry.prompt
        image.src = thumbnails.get(mark) || ""
        stage.classList.remove("sd-zoomed")
        const made = await kernel.ask("picture", { mark }).catch(fail)
        if (!made || at.entry.pictures[at.place].mark !== mark) return
        release()
        source = image.src = address(made.buffers[0], made.media_type)
      }
      el.append(dialog)
      dialog.showModal()
      stage.focus()
      show()
    }
    return () => {
      inSight.disconnect()
      atEnd.disconnect()
      kernel.close()
      thumbnails.forEach(each => each && URL.revokeObjectURL(each))
    }
  },
}
