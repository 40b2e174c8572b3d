// Words and numbers as people read them. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { counted, counter, elapsed, estimate, inserted, money, ofSeries, spoken } from "../../seedream_nb/widgets/static/text.js"

const most = { references: 10, pictures: 15 }

test("seconds are read as seconds, then as minutes", () => {
  assert.deepEqual([0, 59.9, 60, 65, 600].map(elapsed), ["0 s", "59 s", "1:00 min", "1:05 min", "10:00 min"])
})

test("an amount has at least two decimals, and more where it has more", () => {
  assert.deepEqual([0.12, 0.005, 1, 0.3].map(money), ["0.12 USD", "0.005 USD", "1.00 USD", "0.30 USD"])
})

test("the estimate is what can come and cost at most", () => {
  assert.equal(estimate(1, { price: 0.03, free: false, most }), "1 picture · 0.03 USD")
  assert.equal(estimate(4, { price: 0.03, free: false, most }), "up to 4 pictures · ≤ 0.12 USD")
  assert.equal(estimate(4, { price: 0.03, free: true, most }), "up to 4 pictures · free")
  assert.equal(estimate(99, { price: 0.03, free: false, most }), "up to 15 pictures · ≤ 0.45 USD")
})

test("references and pictures are at most 15 together, references 10", () => {
  assert.deepEqual(counter(0, 4, most), { text: "0 of 10", over: false })
  assert.deepEqual(counter(10, 1, most), { text: "10 of 10", over: false })
  assert.deepEqual(counter(10, 5, most), { text: "10 of 10 · 10 + 5 pictures of 15", over: false })
  assert.equal(counter(10, 6, most).over, true)
  assert.equal(counter(11, 1, most).over, true)
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

test("a picture of a series is numbered among them, one alone is not", () => {
  assert.deepEqual([ofSeries(1, 15), ofSeries(0, 1)], ["2 of 15", ""])
})
