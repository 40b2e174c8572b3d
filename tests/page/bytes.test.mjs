// Bytes as pieces and as addresses. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { base64, inline, pieces } from "../../seedream_nb/widgets/static/bytes.js"

test("pieces of a file follow each other without a gap", () => {
  assert.deepEqual(pieces(10, 4), [[0, 4], [4, 8], [8, 10]])
  assert.deepEqual(pieces(4, 4), [[0, 4]])
  assert.deepEqual(pieces(0, 4), [])
})

test("a small picture's bytes stand in its address, also where they are a part of a message", () => {
  const whole = Uint8Array.from({ length: 20_000 }, (_, place) => place % 251)
  const part = new DataView(whole.buffer, 7, 10_001)
  const expected = `data:image/jpeg;base64,${Buffer.from(whole.subarray(7, 10_008)).toString("base64")}`
  assert.equal(inline(part, "image/jpeg"), expected)
  assert.equal(inline(whole.buffer.slice(7, 10_008), "image/jpeg"), expected)
})

test("bytes become base64, however many are left over of three", () => {
  for (const length of [0, 1, 2, 3, 4, 5, 20_000]) {
    const bytes = Uint8Array.from({ length }, (_, place) => (place * 7) % 256)
    const made = new Uint8Array(4 * Math.ceil(length / 3))
    base64(bytes, made)
    assert.equal(new TextDecoder().decode(made), Buffer.from(bytes).toString("base64"))
  }
})
