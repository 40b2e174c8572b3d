// What views of a panel share: the draft, and its way to a request; with a kernel that answers as it is told. Run by
// test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { Store } from "../../seedream_nb/widgets/static/store.js"

const FORM = { prompt: "", size: "2K", aspect: "1:1", width: 2048, height: 2048, max_images: 1, watermark: true, model: "one", form_number: 0 }
const MODELS = [{ name: "one", price: 0.03 }, { name: "two", price: 0.04 }]

/** A store in sight, whose form is empty; `sent` is what the page sent, and `clock` is moved by hand. */
function fake(context, { isShown = true } = {}) {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] })
  const sent = []
  const heard = new Set()
  const model = { sent, on: (event, act) => { if (event === "msg:custom") heard.add(act) }, off: (_, act) => heard.delete(act), send: message => sent.push(message) }
  const store = new Store(model)
  const say = content => heard.forEach(act => act(content, []))
  const show = (changes = {}) => say({ snapshot: { version: 0, form: FORM, form_number: 0, host: "sandbox", tray: [], models: MODELS, price: 0.03, ...changes } })
  const asked = what => sent.filter(each => each.ask === what)
  store.enter()
  if (isShown) show()
  return { store, sent, say, show, asked, clock: context.mock.timers }
}
const turn = () => new Promise(done => setImmediate(done))

test("what is typed before the kernel has answered is kept, and nothing can be bought before", async context => {
  const { store, show, asked, clock } = fake(context, { isShown: false })
  store.edit({ prompt: "a fox" })
  store.order.generate({})
  await turn()
  assert.deepEqual([store.order.isOffered, asked("generate")], [false, []])
  show()
  clock.tick(300)
  assert.deepEqual([store.draft, asked("check").at(-1).form.prompt], [{ ...FORM, prompt: "a fox" }, "a fox"])
  store.order.generate({})
  await turn()
  assert.deepEqual(asked("generate").map(each => each.form.prompt), ["a fox"])
})

test("what the chosen model offers is shown, at once and in each later snapshot", context => {
  const { store, show } = fake(context)
  const prices = []
  store.follow(({ price }) => prices.push(price), new AbortController().signal)
  store.edit({ model: "two" })
  show({ version: 1 })
  store.edit({ prompt: "a fox" })
  assert.deepEqual(prices, [0.03, 0.04, 0.04])
})

test("two views in which somebody presses at once buy once", async context => {
  const { store, asked } = fake(context)
  store.enter()
  store.edit({ prompt: "a fox" })
  for (const view of [1, 2]) store.order.generate({ detail: 1, view })
  await turn()
  assert.deepEqual(asked("generate").map(each => each.form.prompt), ["a fox"])
})

test("what is refused at the prompt is not sent, until something else is typed", async context => {
  const { store, asked, say, clock } = fake(context)
  store.edit({ prompt: "image 2" })
  clock.tick(300)
  say({ id: asked("check").at(-1).id, error: { told: ["no"], fields: { prompt: ["no"] } } })
  await turn()
  store.order.generate({})
  await turn()
  assert.deepEqual([asked("generate").length, store.order.isOffered, store.order.problems.prompt], [0, false, ["no"]])
  store.edit({ prompt: "image 1" })
  store.order.generate({})
  await turn()
  assert.deepEqual(asked("generate").map(each => each.form.prompt), ["image 1"])
})

test("a press is for the place that the button named, however long the references take", async context => {
  const { store, asked, show } = fake(context)
  show({ version: 1, place: "free" })
  let arrive = (/** @type {boolean} */ _) => {}
  store.arrivals.add(() => new Promise(done => { arrive = done }))
  store.edit({ prompt: "a fox" })
  store.order.generate({})
  show({ version: 2, place: "paid" })
  arrive(true)
  await turn()
  assert.deepEqual(asked("generate").map(each => each.place), ["free"])
})

test("what the kernel says of an older draft is not shown of the one that is typed meanwhile", async context => {
  const { store, asked, say, clock } = fake(context)
  store.edit({ prompt: "image 2" })
  clock.tick(300)
  store.edit({ prompt: "image 1" })
  say({ id: asked("check").at(-1).id, error: { told: ["no"], fields: { prompt: ["no"] } } })
  await turn()
  assert.deepEqual([store.order.isOffered, store.order.problems], [true, {}])
})

test("a reference that is on its way is waited for, and nothing is sent without it", async context => {
  const { store, asked } = fake(context)
  let come = () => {}
  store.arrivals.add(() => new Promise(done => { come = done }))
  const pressed = store.order.generate({})
  await turn()
  assert.deepEqual([asked("generate").length, store.order.waits], [0, "Waiting for the reference images."])
  come(false)
  await pressed
  assert.equal(asked("generate").length, 0)
  assert.match(store.order.told[0], /did not arrive.*nothing was billed/)
})

test("a lost answer is no second request, however often a view is opened again", async context => {
  const { store, asked } = fake(context)
  store.order.generate({})
  await turn()
  store.leave()
  store.enter()
  store.order.generate({})
  await turn()
  assert.equal(asked("generate").length, 1)
})

test("a draft that the kernel has filled replaces what was typed, one that it only keeps does not", context => {
  const { store, show } = fake(context)
  store.edit({ prompt: "half a thought" })
  show({ version: 1, form: { ...FORM, prompt: "half" } })
  assert.equal(store.draft.prompt, "half a thought")
  show({ version: 2, form: { ...FORM, prompt: "a fox" }, form_number: 1 })
  assert.equal(store.draft.prompt, "a fox")
})

test("what was typed last is given to the kernel when the last view is closed", context => {
  const { store, sent } = fake(context)
  store.enter()
  store.edit({ prompt: "half a thought" })
  store.leave()
  assert.equal(sent.at(-1).ask, "snapshot")
  store.leave()
  assert.deepEqual(sent.slice(-2).map(each => [each.ask, each.form?.prompt]), [["check", "half a thought"], ["leave", undefined]])
})

test("who listens no more is told nothing", context => {
  const { store } = fake(context)
  const leaving = new AbortController()
  const told = []
  store.listen("draft", () => told.push("draft"), leaving.signal)
  store.edit({ prompt: "a" })
  leaving.abort()
  store.edit({ prompt: "b" })
  assert.deepEqual(told, ["draft"])
})
