// The pure functions that the panel's modules share. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { base64, changed, counted, counter, deliberate, elapsed, estimate, inline, inserted, money, ofSeries, pieces, spoken } from "../../seedream_nb/widgets/static/common.js"

test("seconds are read as seconds, then as minutes", () => {
  assert.deepEqual([0, 59.9, 60, 65, 600].map(elapsed), ["0 s", "59 s", "1:00 min", "1:05 min", "10:00 min"])
})

test("an amount has at least two decimals, and more where it has more", () => {
  assert.deepEqual([0.12, 0.005, 1, 0.3].map(money), ["0.12 USD", "0.005 USD", "1.00 USD", "0.30 USD"])
})

test("the estimate is what can come and cost at most", () => {
  assert.equal(estimate(1, 0.03, false), "1 picture · 0.03 USD")
  assert.equal(estimate(4, 0.03, false), "up to 4 pictures · ≤ 0.12 USD")
  assert.equal(estimate(4, 0.03, true), "up to 4 pictures · free")
  assert.equal(estimate(99, 0.03, false), "up to 15 pictures · ≤ 0.45 USD")
})

test("references and pictures are at most 15 together, references 10", () => {
  assert.deepEqual(counter(0, 4), { text: "0 of 10", over: false })
  assert.deepEqual(counter(10, 5), { text: "10 of 10 · 10 + 5 pictures of 15", over: false })
  assert.equal(counter(10, 6).over, true)
  assert.equal(counter(11, 1).over, true)
})

test("a prompt with more Han characters than Latin words says 图1", () => {
  assert.equal(spoken("make it blue", 1), "image 1")
  assert.equal(spoken("把它变成蓝色", 2), "图2")
  assert.equal(spoken("", 3), "image 3")
})

test("a word put at the cursor touches no other word, and the cursor stands behind it", () => {
  assert.deepEqual(inserted("Make brighter", 5, 5, "image 1"), { text: "Make image 1 brighter", cursor: 12 })
  assert.deepEqual(inserted("Make", 4, 4, "image 1"), { text: "Make image 1", cursor: 12 })
  assert.deepEqual(inserted("", 0, 0, "image 1"), { text: "image 1", cursor: 7 })
  assert.deepEqual(inserted("like this, please", 5, 9, "image 2"), { text: "like image 2, please", cursor: 12 })
  assert.deepEqual(inserted("把人物换成衣服", 5, 5, "图2"), { text: "把人物换成图2衣服", cursor: 7 })
})

test("pieces of a file follow each other without a gap", () => {
  assert.deepEqual(pieces(10, 4), [[0, 4], [4, 8], [8, 10]])
  assert.deepEqual(pieces(4, 4), [[0, 4]])
  assert.deepEqual(pieces(0, 4), [])
})

test("words are counted as words, Han characters one by one", () => {
  assert.equal(counted("a red fox"), "3 words")
  assert.equal(counted("fox"), "1 word")
  assert.equal(counted(""), "0 words")
  assert.equal(counted("一只狐狸"), "4 characters")
  assert.equal(counted("一只 fox"), "1 word + 2 characters")
  assert.equal(counted(" - a-b !? 4 ... "), "2 words")
})

test("the words of a megabyte of anything are counted in a moment", () => {
  for (const each of ["-", "- ", "{", "汉", "a", "a ", " ", "\u0301"]) {
    const began = performance.now()
    counted(each.repeat(1e6 / each.length))
    assert.ok(performance.now() - began < 20_000, each) // where it took hours
  }
})

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

test("a picture of a series is numbered among them, one alone is not", () => {
  assert.deepEqual([ofSeries(1, 15), ofSeries(0, 1)], ["2 of 15", ""])
})

test("what a page shows becomes what there is", () => {
  const entries = [{ id: 9 }, { id: 8 }]
  assert.deepEqual(changed([8, 7, 5], { ids: [9, 8, 5], entries }), { gone: [7], fresh: [9], anew: false })
  assert.equal(changed([5], { ids: [9, 8, 6, 5], entries }).anew, true)
  assert.deepEqual(changed([8], { ids: [8], entries: [{ id: 8 }] }), { gone: [], fresh: [], anew: false })
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
