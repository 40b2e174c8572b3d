// Presses that are meant. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { deliberate } from "../../seedream_nb/widgets/static/press.js"

test("a press that is meant is told from a double click, a tremor and a key held down", () => {
  let now = 0
  const isMeant = deliberate(() => now)
  const press = (at, event) => { now = at; return isMeant(event) }
  assert.deepEqual([press(0), press(100), press(500), press(900)], [true, false, false, false])
  assert.equal(press(1500), true)
  assert.equal(press(3000, { detail: 2 }), false)
  assert.equal(press(5000, { repeat: true }), false)
  assert.equal(press(7000, { detail: 1 }), true)
})

test("a press is meant, however soon, when something else was asked for meanwhile", () => {
  const isMeant = deliberate(() => 0)
  isMeant()
  assert.equal(isMeant(), false)
  isMeant.anew()
  assert.equal(isMeant(), true)
  assert.equal(isMeant(), false)
})
