// What was refused, in lines for a person.
// @ts-check

/** @import { Refusal } from "./protocol.js" */

/** The lines of what the kernel has refused: of its fields, where it names any. @param {Refusal} refusal */
export function linesOf({ told, fields }) {
  const problems = Object.values(fields ?? {}).flat()
  return problems.length ? problems : told
}

/** The lines of what was refused, by the kernel or by the browser.
 * @param {unknown} error @param {string} name what could not come */
export function refusal(error, name) {
  if (error instanceof Error) return [`${name}: it can't be read here (${error.message || error}).`]
  return linesOf(/** @type {Refusal} */ (error))
}

/** A refusal of our own. @param {string} told @returns {Refusal} */
export function refused(told) {
  return { told: [told], fields: {} }
}
