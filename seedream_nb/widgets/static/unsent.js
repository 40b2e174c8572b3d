// What was typed while no kernel was there to keep it: this page keeps it, for the panel that comes next.
// @ts-check

/** @import { Draft } from "./protocol.js" */

/** Milliseconds for which it is kept: who comes back later may have written elsewhere meanwhile. */
const KEPT_FOR = 12 * 3600_000

/** @param {string} key of the notebook's drafts @param {Draft} draft */
export function remember(key, draft) {
  if (!key) return
  try {
    sessionStorage.setItem(unsentName(key), JSON.stringify({ at: Date.now(), draft }))
  } catch { /* this host lets a page keep nothing, or no more */ }
}

/** What was remembered for a notebook, once, as far as it has the fields of a form; of the rest nothing is known.
 * @param {string} key @param {Draft} form @returns {Partial<Draft>} */
export function recalled(key, form) {
  try {
    /** @type {{at?: unknown, draft?: Record<string, unknown>}} */
    const { at, draft } = JSON.parse(sessionStorage.getItem(unsentName(key)) ?? "{}")
    sessionStorage.removeItem(unsentName(key))
    if (typeof at !== "number" || Date.now() - at > KEPT_FOR || !draft) return {}
    return Object.fromEntries(Object.entries(form).map(([name, value]) => [name, draft[name]]).filter(([name, value]) =>
      typeof value === typeof form[/** @type {keyof Draft} */ (name)]))
  } catch {
    return {}
  }
}

/** @param {string} key */
function unsentName(key) {
  return `seedream-draft-${key}`
}
