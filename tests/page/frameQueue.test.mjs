// Work that can wait, with frames and a clock that go as they are told. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { frameQueue } from "../../seedream_nb/widgets/static/frameQueue.js"

/** A clock that each step moves on by so many milliseconds, and frames that come when they are told. */
function fake(milliseconds) {
  let now = 0
  const frames = []
  const done = []
  const work = frameQueue({ now: () => now, frame: step => frames.push(step) })
  return { frames, done, work, later: name => work.later(() => { now += milliseconds; done.push(name) }) }
}

test("nothing is done before the next frame, which is asked for once", () => {
  const { frames, done, later } = fake(1)
  later("a")
  later("b")
  assert.deepEqual([done, frames.length], [[], 1])
})

test("a frame does what its milliseconds are enough for, in its order, and the next goes on", () => {
  const { frames, done, later } = fake(3)
  for (const each of "abc") later(each)
  frames.shift()()
  assert.deepEqual([done, frames.length], [["a", "b"], 1])
  frames.shift()()
  assert.deepEqual([done, frames.length], [["a", "b", "c"], 0])
})

test("a step that takes long by itself is done still", () => {
  const { frames, done, later } = fake(100)
  later("a")
  frames.shift()()
  assert.deepEqual(done, ["a"])
})

test("a promise is kept when its step was done, and broken when it failed; the others are done all the same", async () => {
  const { frames, done, work, later } = fake(1)
  const broken = work.later(() => { throw new Error("no") })
  const kept = later("b")
  frames.shift()()
  await assert.rejects(broken, /no/)
  await kept
  assert.deepEqual(done, ["b"])
})

test("what was given up is not done", () => {
  const { frames, done, work, later } = fake(1)
  later("a")
  work.clear()
  frames.shift()()
  assert.deepEqual([done, frames.length], [[], 0])
})

test("what comes when all is done gets a frame again", () => {
  const { frames, done, later } = fake(1)
  later("a")
  frames.shift()()
  later("b")
  frames.shift()()
  assert.deepEqual(done, ["a", "b"])
})
