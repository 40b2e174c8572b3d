// The entries that a page shows. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { changed } from "../../seedream_nb/widgets/static/entries.js"

test("what a page shows becomes what there is", () => {
  const entries = [{ id: 9 }, { id: 8 }]
  assert.deepEqual(changed([8, 7, 5], { ids: [9, 8, 5], entries }), { gone: [7], fresh: [9], anew: false })
  assert.equal(changed([5], { ids: [9, 8, 6, 5], entries }).anew, true)
  assert.deepEqual(changed([8], { ids: [8], entries: [{ id: 8 }] }), { gone: [], fresh: [], anew: false })
})
