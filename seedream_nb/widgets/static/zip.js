// Several files as one: a zip in which they are stored as they are, for pictures don't get smaller.
// @ts-check

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ byte >>> 1 : byte >>> 1
  return byte
})
/** That names are UTF-8, for every reader. */
const UTF8 = 0x0800
const VERSION = 20

/** The parts of a zip of these files, one after the other. @param {{name: string, bytes: Uint8Array<ArrayBuffer>}[]} files
 * @param {Date} [now] @returns {Uint8Array<ArrayBuffer>[]} */
export function zipped(files, now = new Date()) {
  const stamp = moment(now)
  const parts = /** @type {Uint8Array<ArrayBuffer>[]} */ ([])
  const listed = /** @type {Uint8Array<ArrayBuffer>[]} */ ([])
  let offset = 0
  for (const { name, bytes } of files) {
    const called = new TextEncoder().encode(name)
    const facts = [[VERSION, 2], [UTF8, 2], [0, 2], ...stamp, [checksum(bytes), 4], [bytes.length, 4], [bytes.length, 4], [called.length, 2], [0, 2]]
    const head = numbers([[0x04034b50, 4], ...facts])
    listed.push(numbers([[0x02014b50, 4], [VERSION, 2], ...facts, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), called)
    parts.push(head, called, bytes)
    offset += head.length + called.length + bytes.length
  }
  const size = listed.reduce((sum, part) => sum + part.length, 0)
  const end = numbers([[0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]])
  return [...parts, ...listed, end]
}

/** The CRC-32 of bytes. @param {Uint8Array} bytes */
export function checksum(bytes) {
  let sum = 0xffffffff
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ sum >>> 8
  return (sum ^ 0xffffffff) >>> 0
}

/** A time as a zip has it: two numbers of two bytes. @param {Date} now */
function moment(now) {
  const time = now.getHours() << 11 | now.getMinutes() << 5 | now.getSeconds() >> 1
  const day = Math.max(0, now.getFullYear() - 1980) << 9 | now.getMonth() + 1 << 5 | now.getDate()
  return [[time, 2], [day, 2]]
}

/** Numbers as bytes, the low ones first. @param {number[][]} all each with how many bytes it has */
function numbers(all) {
  return Uint8Array.from(all.flatMap(([number, count]) => Array.from({ length: count }, (_, at) => number >>> 8 * at & 0xff)))
}
