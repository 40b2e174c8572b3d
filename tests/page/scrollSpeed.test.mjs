// The speed of a scroll, with a clock that goes as it is told. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { scrollSpeed } from "../../seedream_nb/widgets/static/scrollSpeed.js"

/** Something that is scrolled so many pixels in so many milliseconds, and whose waits are kept until their time has come. */
function fake() {
  let now = 1000
  let scrolled = () => {}
  const waits = []
  const element = { scrollTop: 0, addEventListener: (_, act) => { scrolled = act } }
  const { calm } = scrollSpeed(element, { now: () => now, wait: milliseconds => new Promise(done => waits.push({ at: now + milliseconds, done })) })
  function scroll(pixels, milliseconds) {
    now += milliseconds
    element.scrollTop += pixels
    scrolled()
  }
  async function pass(milliseconds) {
    now += milliseconds
    for (const each of waits.filter(each => each.at <= now)) each.done()
    await new Promise(done => setTimeout(done))
  }
  return { scroll, pass, calm }
}
/** Whether a promise has been kept by now. */
async function kept(promise) {
  const open = Symbol("open")
  return await Promise.race([promise, new Promise(done => setTimeout(done, 0, open))]) !== open
}

test("it is calm before one scrolls", async () => {
  assert.ok(await kept(fake().calm()))
})

test("it is calm while one scrolls as one reads", async () => {
  const { scroll, calm } = fake()
  for (let frame = 0; frame < 10; frame++) scroll(30, 16)
  assert.ok(await kept(calm()))
})

for (const way of [1, -1]) {
  test(`it is not while one rushes ${way > 0 ? "down" : "up"}, until a while after`, async () => {
    const { scroll, pass, calm } = fake()
    scroll(way * 240, 16)
    const waited = calm()
    assert.ok(!await kept(waited))
    await pass(99)
    assert.ok(!await kept(waited))
    await pass(1)
    assert.ok(await kept(waited))
  })
}

test("how long one has rested says nothing of a rush that begins", async () => {
  const { scroll, pass, calm } = fake()
  await pass(10_000)
  scroll(240, 16)
  scroll(240, 16)
  assert.ok(!await kept(calm()))
})

test("a jump after a rest is no rush", async () => {
  const { scroll, calm } = fake()
  scroll(5000, 10_000)
  assert.ok(await kept(calm()))
})

test("a clock that stands still makes no rush of a slow scroll", async () => {
  const { scroll, calm } = fake()
  scroll(10, 0)
  assert.ok(await kept(calm()))
})

test("just below that speed it is calm, just above it is not", async () => {
  const slow = fake(), quick = fake()
  slow.scroll(39, 20)
  quick.scroll(41, 20)
  assert.deepEqual([await kept(slow.calm()), await kept(quick.calm())], [true, false])
})

test("who rushes on is waited for", async () => {
  const { scroll, pass, calm } = fake()
  scroll(240, 16)
  const waited = calm()
  await pass(60)
  scroll(240, 16)
  await pass(40)
  assert.ok(!await kept(waited))
  await pass(100)
  assert.ok(await kept(waited))
})

test("a slow step at the end of a rush makes it no shorter", async () => {
  const { scroll, calm } = fake()
  scroll(240, 16)
  scroll(1, 16)
  assert.ok(!await kept(calm()))
})
