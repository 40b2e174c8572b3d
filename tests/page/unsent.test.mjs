// What was typed while no kernel was there. Run by test_page.py.

import assert from "node:assert/strict"
import { beforeEach, test } from "node:test"
import { recalled, remember } from "../../seedream_nb/widgets/static/unsent.js"

const FORM = { prompt: "", size: "2K", aspect: "1:1", width: 2048, height: 2048, max_images: 1, watermark: true }
const kept = new Map()
globalThis.sessionStorage = {
  getItem: name => kept.get(name) ?? null, setItem: (name, text) => kept.set(name, text), removeItem: name => kept.delete(name),
}
beforeEach(() => kept.clear())

test("what was typed comes back once", () => {
  remember("one", { ...FORM, prompt: "half a thought" })
  assert.deepEqual(recalled("one", FORM), { ...FORM, prompt: "half a thought" })
  assert.deepEqual(recalled("one", FORM), {})
})

test("each notebook has its own, and a panel that is no notebook's has none", () => {
  remember("one", { ...FORM, prompt: "of one" })
  remember("", { ...FORM, prompt: "of none" })
  assert.deepEqual(recalled("two", FORM), {})
  assert.deepEqual(recalled("", FORM), {})
})

test("what is no form, or is of yesterday, is left out", () => {
  kept.set("seedream-draft-one", "not json")
  assert.deepEqual(recalled("one", FORM), {})
  kept.set("seedream-draft-one", JSON.stringify({ at: Date.now(), draft: { prompt: 5, size: "4K", other: 1 } }))
  assert.deepEqual(recalled("one", FORM), { size: "4K" })
  kept.set("seedream-draft-one", JSON.stringify({ at: Date.now() - 86_400_000, draft: FORM }))
  assert.deepEqual(recalled("one", FORM), {})
})
