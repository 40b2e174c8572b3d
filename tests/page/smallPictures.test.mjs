// The small pictures that are kept, and a zip of large ones. Run by test_page.py.

import assert from "node:assert/strict"
import { test } from "node:test"
import { SmallPictures, sideFor } from "../../seedream_nb/widgets/static/smallPictures.js"
import { checksum, zipped } from "../../seedream_nb/widgets/static/zip.js"

test("the smallest side that is sharp enough is asked for", () => {
  assert.deepEqual([100, 320, 350, 360, 640, 720, 5000].map(sideFor), [320, 320, 320, 640, 640, 1024, 1024])
})

test("one is sharp enough up to its side, and of one that is gone there is none to ask for", () => {
  const small = new SmallPictures()
  small.put("@1.1", "address", 320)
  small.put("@2.1", null, 320)
  assert.deepEqual([small.has("@1.1", 320), small.has("@1.1", 640), small.has("@2.1", 1024), small.has("@3.1", 320)], [true, false, true, false])
  assert.deepEqual([small.get("@1.1"), small.get("@2.1"), small.get("@3.1")], ["address", null, undefined])
})

test("what was not looked at for longest goes when there is no room", () => {
  const small = new SmallPictures(10)
  small.put("@1.1", "aaaa", 320)
  small.put("@2.1", "bbbb", 320)
  small.get("@1.1")
  small.put("@3.1", "cccc", 320)
  assert.deepEqual([small.get("@1.1"), small.get("@2.1"), small.get("@3.1")], ["aaaa", undefined, "cccc"])
})

test("a checksum is that of every zip", () => {
  assert.equal(checksum(new TextEncoder().encode("123456789")), 0xcbf43926)
})

test("a zip ends with how many files it has, and where their list is", () => {
  const parts = zipped([{ name: "a.jpg", bytes: new Uint8Array([1, 2, 3]) }, { name: "狐.jpg", bytes: new Uint8Array(0) }])
  const end = new DataView(parts.at(-1).buffer)
  assert.deepEqual([end.getUint32(0, true), end.getUint16(10, true)], [0x06054b50, 2])
  const whole = parts.reduce((sum, part) => sum + part.length, 0)
  assert.equal(end.getUint32(16, true) + end.getUint32(12, true) + 22, whole)
})
