// Presses that are meant: pictures cost money.
// @ts-check

/** Milliseconds in which a second press is no press of its own, but a double click, a tremor, a key held down. */
const AGAIN_AFTER = 600

/** What an event tells of a press. @typedef {{repeat?: boolean, detail?: unknown}} Press */

/** Tells presses that are meant from the rest of a double click and from a key held down. After `anew()`, for something
 * else was asked for meanwhile, the next press is the first again.
 * @param {() => number} [now] milliseconds
 * @returns {((event?: Press) => boolean) & {anew: () => void}} */
export function deliberate(now = () => performance.now()) {
  let last = -Infinity
  /** @param {Press} [event] */
  const isMeant = event => {
    const at = now()
    const since = at - last
    last = at
    return since >= AGAIN_AFTER && !event?.repeat && !(Number(event?.detail) > 1)
  }
  return Object.assign(isMeant, { anew: () => { last = -Infinity } })
}
