// The thumbnails, with a kernel that answers as it is told. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { thumbnails } from "../../seedream_nb/widgets/static/thumbnails.js"

/** Thumbnails whose questions are kept until they are answered; what can wait is done at once. */
function fake() {
  const asked = []
  const shown = []
  const ask = marks => new Promise((resolve, reject) => asked.push({ marks, resolve, reject }))
  const want = thumbnails(ask, (mark, small) => shown.push([mark, small]), async step => step())
  return { want, asked, shown }
}
const turn = () => new Promise(done => setTimeout(done))
const bytes = text => new TextEncoder().encode(text)
const address = text => `data:image/jpeg;base64,${btoa(text)}`

test("what comes near together is asked for together, each once", async () => {
  const { want, asked } = fake()
  for (const mark of ["@1.1", "@2.1", "@1.1"]) want(mark)
  await turn()
  want("@2.1") // it is on its way
  await turn()
  assert.deepEqual(asked.map(each => each.marks), [["@1.1", "@2.1"]])
})

test("of many the last is asked for first, a screen at a time", async () => {
  const { want, asked } = fake()
  for (let id = 1; id <= 30; id++) want(`@${id}.1`)
  await turn()
  asked[0].resolve({ marks: [], buffers: [] })
  await turn()
  assert.deepEqual(asked.map(each => [each.marks[0], each.marks.length]), [["@19.1", 12], ["@7.1", 12]])
})

test("each is shown when it is there, and of one that there is not it is said", async () => {
  const { want, asked, shown } = fake()
  for (const mark of ["@1.1", "@2.1", "@3.1"]) want(mark)
  await turn()
  assert.deepEqual(shown, [])
  asked[0].resolve({ marks: ["@1.1", "@3.1"], buffers: [bytes("one"), bytes("three")] })
  await turn()
  assert.deepEqual(shown, [["@1.1", address("one")], ["@2.1", null], ["@3.1", address("three")]])
})

test("what has come is asked for again by who does not have it any more", async () => {
  const { want, asked } = fake()
  want("@1.1")
  await turn()
  asked[0].resolve({ marks: ["@1.1"], buffers: [bytes("one")] })
  await turn()
  want("@1.1")
  await turn()
  assert.equal(asked.length, 2)
})

test("what was not answered is asked for again when it comes near again", async () => {
  const { want, asked } = fake()
  want("@1.1")
  await turn()
  asked[0].reject({ told: ["no"] })
  await turn()
  want("@1.1")
  await turn()
  assert.deepEqual(asked.map(each => each.marks), [["@1.1"], ["@1.1"]])
})
