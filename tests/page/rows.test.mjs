// The rows of the wall. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { led, rowAt, rowsOf } from "../../seedream_nb/widgets/static/rows.js"

const ROOM = { width: 1000, height: 200, gap: 8, narrow: 104 }
const BELOW = 30
/** Shapes of these ratios, again and again. */
const shapes = (count, ratios = [16 / 9, 9 / 16, 21 / 9, 1, 1.5, 2 / 3]) => Array.from({ length: count }, (_, at) => ({ ratio: ratios[at % ratios.length] }))
const ends = ({ lefts, widths }) => lefts.at(-1) + widths.at(-1)

test("each row but the last ends where the room does, and is about as high as wished", () => {
  const rows = rowsOf(shapes(60), ROOM, BELOW)
  for (const row of rows.slice(0, -1)) {
    assert.equal(ends(row), ROOM.width)
    assert.ok(row.height > 0.6 * ROOM.height && row.height < 1.5 * ROOM.height, String(row.height))
  }
  assert.ok(rows.at(-1).height <= ROOM.height)
})

test("a row stands below the one before, and none of its pictures on another", () => {
  const rows = rowsOf(shapes(60), ROOM, BELOW)
  rows.forEach(({ top, lefts, widths }, at) => {
    if (at) assert.equal(top, rows[at - 1].top + rows[at - 1].height + BELOW)
    lefts.slice(1).forEach((left, place) => assert.equal(left, lefts[place] + widths[place] + ROOM.gap))
  })
})

test("each picture is in one row, in its order", () => {
  const rows = rowsOf(shapes(59), ROOM, BELOW)
  assert.deepEqual(rows.map(({ start }) => start), [0, ...rows.slice(0, -1).map(({ end }) => end)])
  assert.equal(rows.at(-1).end, 59)
})

test("none is narrower than what is done with it needs, however odd its shape, and one that failed takes little room", () => {
  const odd = [{ ratio: 1 / 16 }, { ratio: 16 }, { ratio: 1, fixed: 128 }, ...shapes(9)]
  for (const width of [320, 1000]) {
    const rows = rowsOf(odd, { ...ROOM, width }, BELOW)
    for (const row of rows) {
      assert.ok(ends(row) <= width)
      assert.ok(Math.min(...row.widths) >= 100, String(row.widths))
    }
  }
})

test("what comes behind leaves all rows but the last as they were", () => {
  const before = rowsOf(shapes(30), ROOM, BELOW)
  const after = rowsOf(shapes(50), ROOM, BELOW)
  assert.deepEqual(after.slice(0, before.length - 1), before.slice(0, -1))
  const last = before.at(-1)
  assert.deepEqual(rowsOf(shapes(50), ROOM, BELOW, last.start, last.top), after.slice(before.length - 1))
})

test("the row at a height is found", () => {
  const rows = rowsOf(shapes(60), ROOM, BELOW)
  rows.forEach(({ top }, at) => assert.equal(rowAt(rows, top + 1), at))
  assert.equal(rowAt(rows, -50), 0)
  assert.equal(rowAt(rows, 1e9), rows.length - 1)
})

test("arrows lead to what is beside, above and below, and no further than the ends", () => {
  const rows = rowsOf(shapes(12, [1]), { ...ROOM, width: 824 }, BELOW) // three rows of four
  const to = (from, key) => led(rows, from, key, 2)
  assert.deepEqual(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].map(key => to(5, key)), [4, 6, 1, 9])
  assert.deepEqual([to(0, "ArrowLeft"), to(11, "ArrowRight"), to(1, "ArrowUp"), to(10, "ArrowDown")], [0, 11, 1, 10])
  assert.deepEqual([to(5, "Home"), to(5, "End"), to(1, "PageDown"), to(9, "PageUp")], [0, 11, 9, 1])
  assert.equal(to(5, "x"), undefined)
})

test("ten thousand are placed in no time", () => {
  const began = performance.now()
  assert.equal(rowsOf(shapes(10_000), ROOM, BELOW).at(-1).end, 10_000)
  assert.ok(performance.now() - began < 500)
})
