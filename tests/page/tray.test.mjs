// The pure functions of the tray. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { Arrivals, isOfPictures } from "../../seedream_nb/widgets/static/incoming.js"
import { changes, gapAt, moved, placeAfter } from "../../seedream_nb/widgets/static/references.js"
import { refusal } from "../../seedream_nb/widgets/static/refusal.js"

const box = (column, row) => ({ left: 100 * column, right: 100 * column + 90, top: 100 * row, bottom: 100 * row + 90 })
const named = (...names) => names.map((name, index) => ({ number: index + 1, name }))

test("a point lies before the box whose left half it is in, or behind all", () => {
  const row = [box(0, 0), box(1, 0), box(2, 0)]
  assert.deepEqual([10, 60, 110, 160, 260].map(x => gapAt(row, x, 50)), [0, 1, 1, 2, 3])
  assert.equal(gapAt([], 5, 5), 0)
})

test("in several rows the row of the point counts", () => {
  const rows = [box(0, 0), box(1, 0), box(0, 1)]
  assert.equal(gapAt(rows, 500, 50), 2)
  assert.equal(gapAt(rows, 10, 150), 2)
  assert.equal(gapAt(rows, 80, 150), 3)
  assert.equal(gapAt(rows, 10, -5), 0)
})

test("what is moved on leaves a place behind that the others fill", () => {
  const after = (from, gap) => moved(["a", "b", "c"], from, placeAfter(from, gap)).join("")
  assert.deepEqual([after(0, 3), after(0, 2), after(2, 0), after(1, 1), after(1, 2)], ["bca", "bac", "cab", "abc", "abc"])
})

test("a paste of text stays text, also where a text editor has put a picture of it beside", () => {
  assert.equal(isOfPictures(["Files"], true), true)
  assert.equal(isOfPictures(["text/html", "Files"], true), true)
  assert.equal(isOfPictures(["text/plain", "Files"], true), true)
  assert.equal(isOfPictures(["text/plain", "text/html", "Files"], true), false)
  assert.equal(isOfPictures(["text/plain", "text/html", "Files"], false), true)
  assert.equal(isOfPictures(["text/plain"], false), false)
})

test("what came and what went is said, with its number", () => {
  const [a, b, c] = named("a.png", "b.png", "c.png")
  assert.equal(changes([a], [a, b], ""), "b.png is image 2.")
  assert.equal(changes([a, b], [b, c], "画一只狐狸"), "a.png was removed. c.png is 图2.")
  assert.equal(changes([a, b], [b, a], ""), "")
})

test("a refusal has the lines of the kernel, or of the browser with the name", () => {
  assert.deepEqual(refusal({ told: ["x", "hint"], fields: { images: ["x"] } }, "a.png"), ["x"])
  assert.deepEqual(refusal({ told: ["x", "hint"], fields: {} }, "a.png"), ["x", "hint"])
  assert.deepEqual(refusal(new Error("gone"), "a.png"), ["a.png: it can't be read here (gone)."])
})

test("of a file that is being read when its view is closed, nothing more is sent", async () => {
  const asked = []
  const ask = async what => { asked.push(what) }
  const told = { clear() {}, progress() {}, problems() {} }
  let read = () => {}
  const bytes = new Promise(done => { read = () => done(new ArrayBuffer(10)) })
  const incoming = new Arrivals(ask, told, undefined)
  incoming.files([{ name: "a.png", size: 10, slice: () => ({ arrayBuffer: () => bytes }) }])
  await new Promise(done => setTimeout(done))
  incoming.close()
  read()
  await new Promise(done => setTimeout(done))
  assert.ok(!asked.includes("file"), asked.join())
})
