// Names within the braces of a prompt. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { completed, nameAt } from "../../seedream_nb/widgets/static/braces.js"

test("a brace begins a name, two do not", () => {
  const said = { "a fox in {": "", "a fox in {sty": "sty", "{größe": "größe", "{_x1": "_x1", "{{sty": null, "{1": null, "{a b": null, "{a.b": null, "no": null, "{done}": null }
  for (const [before, name] of Object.entries(said)) assert.equal(nameAt(before), name, before)
})

test("a name is completed with its brace, which is there once", () => {
  assert.deepEqual(completed("a {st", 5, "style"), { text: "a {style}", cursor: 9 })
  assert.deepEqual(completed("a {} b", 3, "style"), { text: "a {style} b", cursor: 9 })
  assert.deepEqual(completed("a {styl} b", 5, "style"), { text: "a {style} b", cursor: 9 })
})
