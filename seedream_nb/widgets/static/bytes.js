// Bytes: files in pieces for the kernel, and what comes from it as addresses for the page.
// @ts-check

/** One message over 10 MiB closes JupyterLab's connection without a word; Colab is said to fail from 1 MB. */
export const CHUNK_BYTES = typeof window === "object" && "google" in window ? 500_000 : 4_000_000

/** Where the pieces of a file begin and end.
 * @param {number} size @param {number} [most] */
export function pieces(size, most = CHUNK_BYTES) {
  const found = []
  for (let start = 0; start < size; start += most) found.push([start, Math.min(size, start + most)])
  return found
}

/** What a bytes-like value of a message is as an address for the page.
 * @param {DataView} bytes @param {string} type */
export function address(bytes, type) {
  return URL.createObjectURL(new Blob([/** @type {DataView<ArrayBuffer>} */ (bytes)], { type }))
}

/** The same for a small picture, with the bytes in the address itself: for the other kind the page waits, twice, until the
 * browser's own process has answered, which takes ten times as long; and this one is not to be given back.
 * It is put together of bytes: the browser keeps what it decodes out of the scripts' memory, where a thousand texts of this
 * length would be gone through again and again in search of garbage.
 * @param {ArrayBufferView | ArrayBuffer} bytes @param {string} type */
export function inline(bytes, type) {
  const all = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
  const head = new TextEncoder().encode(`data:${type};base64,`)
  const length = head.length + 4 * Math.ceil(all.length / 3)
  if (scratch.length < length) scratch = new Uint8Array(2 * length)
  scratch.set(head)
  base64(all, scratch.subarray(head.length))
  return new TextDecoder().decode(scratch.subarray(0, length))
}

/** Where such an address is put together: one for all of them. */
let scratch = new Uint8Array()

const DIGITS = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
const PAD = 64

/** Write bytes in base64.
 * @param {Uint8Array} bytes @param {Uint8Array} made four bytes for each three, or the rest of three */
export function base64(bytes, made) {
  for (let at = 0, to = 0; at < bytes.length; at += 3) {
    const three = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2]
    made[to++] = DIGITS[three >> 18]
    made[to++] = DIGITS[three >> 12 & 63]
    made[to++] = DIGITS[at + 1 < bytes.length ? three >> 6 & 63 : PAD]
    made[to++] = DIGITS[at + 2 < bytes.length ? three & 63 : PAD]
  }
}
