// The kernel behind a widget, one that answers as it is told. Run by test_page.py.

import assert from "node:assert/strict"
import { afterEach, test } from "node:test"
import { anyLate, Kernel } from "../../seedream_nb/widgets/static/kernel.js"

/** A signal as JupyterLab's are. */
function signal() {
  const heard = new Set()
  return { connect: act => heard.add(act), disconnect: act => heard.delete(act), emit: value => heard.forEach(act => act(null, value)), heard }
}
/** A widget's model; `sent` is what the page sent. */
function fake() {
  const sent = []
  const heard = new Set()
  const parted = new Set()
  const known = { comm_live: true }
  const kernel = {
    statusChanged: signal(), connectionStatusChanged: signal(), disposed: signal(), status: "idle", connectionStatus: "connected",
  }
  return {
    sent, kernel, heard,
    widget_manager: { kernel, get_model: async () => known },
    get: () => "its id", known,
    on: (event, act) => (event === "msg:custom" ? heard : parted).add(act),
    off: (event, act) => (event === "msg:custom" ? heard : parted).delete(act),
    part: () => Promise.all([...parted].map(act => act())),
    send: message => sent.push(message),
    say: (content, buffers = []) => heard.forEach(act => act(content, buffers)),
  }
}
/** @type {Kernel[]} */
const kernels = []
/** Begin with a model; what was not asked for is kept. */
function begin(model) {
  const heard = { snapshots: [], told: [] }
  const kernel = new Kernel(model, { snapshot: snapshot => heard.snapshots.push(snapshot), gone: told => heard.told.push(...told) })
  kernels.push(kernel)
  return Object.assign(kernel, { heard })
}
afterEach(() => kernels.splice(0).forEach(each => each.close()))

test("an answer comes to its own question", async () => {
  const model = fake()
  const asked = begin(model).ask("double", { it: 4 })
  model.say({ id: "another", ok: {} })
  model.say({ id: model.sent[0].id, ok: { twice: 8 } })
  assert.deepEqual(await asked, { twice: 8, buffers: [] })
})

test("what is open when the connection comes back is asked again, as the same question", async () => {
  const model = fake()
  const asked = begin(model).ask("generate")
  model.kernel.connectionStatusChanged.emit("connecting")
  assert.equal(model.sent.length, 1)
  model.kernel.connectionStatusChanged.emit("connected")
  assert.deepEqual(model.sent.map(each => each.ask), ["generate", "generate"])
  assert.equal(model.sent[0].id, model.sent[1].id)
  model.say({ id: model.sent[0].id, ok: {} })
  await asked
})

test("each question says which snapshot's place the page has seen", () => {
  const model = fake()
  const kernel = begin(model)
  for (const [version, place] of [[3, "old"], [4, "new"], [2, "late"]]) {
    model.say({ snapshot: { version, place } })
    kernel.ask("rerun", { generation: 1 })
  }
  assert.deepEqual(model.sent.map(each => each.place), ["old", "new", "new"])
})

test("who is in sight asks for what it missed when the connection comes back, who is not does not", () => {
  for (const [isInSight, asked] of [[true, ["snapshot", "snapshot", "snapshot"]], [false, []]]) {
    const model = fake()
    const kernel = begin(model)
    if (isInSight) kernel.enter()
    model.kernel.connectionStatusChanged.emit("connected")
    assert.deepEqual(model.sent.map(each => each.ask), asked)
  }
})

test("an older snapshot than the last is left out", () => {
  const model = fake()
  const { heard } = begin(model)
  for (const version of [3, 2, 3, 4]) model.say({ snapshot: { version } })
  assert.deepEqual(heard.snapshots.map(each => each.version), [3, 3, 4])
})

test("when the kernel has ended, what is open and what is asked later is refused with what to do", async () => {
  const model = fake()
  const kernel = begin(model)
  const asked = kernel.ask("generate")
  model.kernel.statusChanged.emit("busy")
  model.kernel.statusChanged.emit("autorestarting")
  await assert.rejects(asked, error => error.told[0].startsWith("The kernel was restarted"))
  await assert.rejects(kernel.ask("more"), error => error.told[1].startsWith("Run this cell again"))
  assert.equal(kernel.heard.told.length, 2)
  assert.equal(model.sent.length, 1)
})

test("what is not answered soon is late until it is answered, and is asked once: so it is on any host", context => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] })
  for (const host of [{}, { widget_manager: {} }, { widget_manager: undefined }]) { // Colab's has no kernel to look at
    const model = { ...fake(), ...host }
    const told = []
    begin(model).ask("generate", {}, { late: isLate => told.push(isLate) })
    context.mock.timers.tick(1000)
    assert.deepEqual(told, [])
    context.mock.timers.tick(1000)
    assert.deepEqual(told, [true])
    model.say({ id: model.sent[0].id, ok: {} })
    assert.deepEqual(told, [true, false])
    assert.deepEqual(model.sent.map(each => each.ask), ["generate"])
  }
})

test("of several that are late it is told once, until the last has come", () => {
  const told = []
  const late = anyLate(isLate => told.push(isLate))
  for (const each of [true, true, false, false]) late(each)
  assert.deepEqual(told, [true, true, true, false])
})

test("one that is closed says so, and listens no more", () => {
  const model = fake()
  const kernel = begin(model)
  kernel.enter()
  kernel.close()
  assert.deepEqual(model.sent.map(each => each.ask), ["snapshot", "leave"])
  assert.equal(model.heard.size + model.kernel.statusChanged.heard.size + model.kernel.connectionStatusChanged.heard.size, 0)
})

test("a host that shows no kernel says that the widget and its kernel are parted", async () => {
  const model = fake()
  const kernel = begin(model)
  await model.part()
  assert.deepEqual(kernel.heard.told, []) // it has come back, perhaps
  model.known.comm_live = false
  await model.part()
  await assert.rejects(kernel.ask("more"), error => error.told[0] === "The kernel was restarted.")
  assert.equal(kernel.heard.told.length, 2)
})

test("a notebook that gets another kernel has parted from this one", async () => {
  const model = fake()
  const kernel = begin(model)
  model.kernel.disposed.emit()
  await assert.rejects(kernel.ask("more"), error => error.told[0] === "The kernel has stopped.")
})

test("a kernel that does nothing and still does not answer was restarted while the page slept", context => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] })
  const model = fake()
  const kernel = begin(model)
  kernel.enter().catch(() => {})
  model.kernel.connectionStatusChanged.emit("connected")
  model.kernel.status = "busy"
  const pass = seconds => { for (let each = 0; each < seconds; each++) context.mock.timers.tick(1000) }
  pass(120)
  assert.deepEqual(kernel.heard.told, [])
  model.kernel.status = "idle"
  pass(40)
  assert.equal(kernel.heard.told[0], "The kernel was restarted.")
})

test("a kernel that answers is there, however long it is idle then", async context => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] })
  const model = fake()
  const kernel = begin(model)
  kernel.enter()
  model.kernel.connectionStatusChanged.emit("connected")
  for (const { id } of model.sent) model.say({ id, ok: {} })
  await Promise.resolve()
  context.mock.timers.tick(50_000)
  assert.deepEqual(kernel.heard.told, [])
})
