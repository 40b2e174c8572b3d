// Words and numbers as people read them.
// @ts-check

/** @import { Most } from "./protocol.js" */

/** What is said of a press that has to wait. */
export const LATE = "Queued until the running cell ends."

/** Seconds as people read them: `12 s`, `1:05 min`.
 * @param {number} seconds */
export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`
}

/** Seconds that something took. @param {number} seconds */
export function secondsOf(seconds) {
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
}

/** An amount of dollars, with as many decimals as it has, at least two.
 * @param {number} dollars */
export function money(dollars) {
  const [whole, decimals] = dollars.toFixed(4).split(".")
  return `${whole}.${decimals.replace(/0{1,2}$/, "")} USD`
}

/** What the Generate button says of the bill.
 * @param {number} asked @param {{price: number, free: boolean, most: Most}} snapshot */
export function estimate(asked, { price, free, most }) {
  const count = Math.min(Math.max(Math.round(asked) || 1, 1), most.pictures)
  const pictures = count === 1 ? "1 picture" : `up to ${count} pictures`
  if (free) return `${pictures} · free`
  return `${pictures} · ${count === 1 ? "" : "≤ "}${money(count * price)}`
}

/** How many references there are, and how many pictures in all; `over` if that is too many.
 * @param {number} references @param {number} count @param {Most} most */
export function counter(references, count, most) {
  const over = references > most.references || references + count > most.pictures
  const sum = references && count > 1 ? ` · ${references} + ${count} pictures of ${most.pictures}` : ""
  return { text: `${references} of ${most.references}${sum}`, over }
}

/** How the prompt calls a reference: in a prompt with more Han characters than Latin words, 图1.
 * @param {string} prompt @param {number} number */
export function spoken(prompt, number) {
  const han = (prompt.match(/\p{Script=Han}/gu) || []).length
  const latin = (prompt.match(/\p{Script=Latin}+/gu) || []).length
  return han > latin ? `图${number}` : `image ${number}`
}

/** A text with a word put at the cursor, spaces around it where words would touch; and where the cursor is then.
 * @param {string} text @param {number} start @param {number} end @param {string} word */
export function inserted(text, start, end, word) {
  const before = text.slice(0, start)
  const after = text.slice(end)
  const left = before && !/[\s(（“"'，。、]$/.test(before) && !/\p{Script=Han}/u.test(word + before.slice(-1)) ? " " : ""
  const right = after && !/^[\s.,;:!?)）”"'，。、]/.test(after) && !/\p{Script=Han}/u.test(word + after[0]) ? " " : ""
  return { text: before + left + word + right + after, cursor: before.length + left.length + word.length }
}

/** How many words a prompt has; Han characters count one by one.
 * @param {string} prompt */
export function counted(prompt) {
  const han = (prompt.match(/\p{Script=Han}/gu) || []).length
  const words = prompt.replace(/\p{Script=Han}/gu, " ").split(/\s+/).filter(word => /[\p{L}\p{N}]/u.test(word)).length
  const told = []
  if (words || !han) told.push(words === 1 ? "1 word" : `${words} words`)
  if (han) told.push(`${han} characters`)
  return told.join(" + ")
}

/** What an entry's picture is called among those of its series; nothing where it is alone.
 * @param {number} place @param {number} count */
export function ofSeries(place, count) {
  return count > 1 ? `${place + 1} of ${count}` : ""
}
