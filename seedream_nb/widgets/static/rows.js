// Rows of equal height, filled: where each picture of the wall stands, known before any of them is there.
// @ts-check

/** What is to be placed: width by height; or a width in pixels, whatever the height. @typedef {{ratio: number, fixed?: number}} Shape */
/** Of the room: its width, how high rows should be, pixels between pictures, and how narrow one may be.
 * @typedef {{width: number, height: number, gap: number, narrow: number}} Room */
/** A row: its first picture, and the one behind its last; where it stands; and where each of its pictures does.
 * @typedef {{start: number, end: number, top: number, height: number, lefts: number[], widths: number[]}} WallRow */

/** How much higher than wished a row may be, and how low. */
const HIGHER = 1.5
const LOWEST = 48

/** The rows of these shapes from one on, each as high as fits best, whole pixels wide; the last is not stretched. `below` is
 * what stands below each row.
 * @param {readonly Shape[]} shapes @param {Room} room @param {number} below @param {number} [start] @param {number} [top] @returns {WallRow[]} */
export function rowsOf(shapes, room, below, start = 0, top = 0) {
  /** @type {WallRow[]} */
  const rows = []
  while (start < shapes.length) {
    const end = endOf(shapes, room, start)
    const fits = heightOf(shapes, room, start, end)
    const isLast = end === shapes.length
    const most = isLast ? room.height : HIGHER * room.height
    const height = Math.round(Math.max(LOWEST, Math.min(fits, most)))
    rows.push({ start, end, top, height, ...placed(shapes, room, start, end, height, fits <= most) })
    top += height + below
    start = end
  }
  return rows
}

/** Where the row ends that begins here: with so many that its height comes nearest to the wish.
 * @param {readonly Shape[]} shapes @param {Room} room @param {number} start */
function endOf(shapes, room, start) {
  let before = Infinity
  for (let end = start + 1; end <= shapes.length; end++) {
    const height = heightOf(shapes, room, start, end)
    const isNearer = before / room.height < room.height / height || height < LOWEST
    if (height <= room.height) return end > start + 1 && isNearer ? end - 1 : end
    before = height
  }
  return shapes.length
}

/** The height at which some pictures fill the width; infinite where none of them grows with it.
 * @param {readonly Shape[]} shapes @param {Room} room @param {number} start @param {number} end */
function heightOf(shapes, { width, gap, narrow }, start, end) {
  const left = width - gap * (end - start - 1)
  let height = Infinity
  for (let narrowest = 0; ; narrowest++) {
    let [taken, ratios, isNarrower] = [0, 0, false]
    for (let at = start; at < end; at++) {
      const { ratio, fixed } = shapes[at]
      const isNarrow = narrowest > 0 && fixed === undefined && ratio * height < narrow
      if (fixed !== undefined || isNarrow) taken += fixed ?? narrow
      else ratios += ratio
      isNarrower ||= isNarrow
    }
    const next = ratios ? Math.max(0, left - taken) / ratios : Infinity
    if (next >= height || narrowest > end - start || (narrowest > 0 && !isNarrower)) return Math.min(height, next)
    height = next
  }
}

/** Where each picture of a row stands; of one that is filled the last ends where the room does.
 * @param {readonly Shape[]} shapes @param {Room} room @param {number} start @param {number} end @param {number} height @param {boolean} isFilled */
function placed(shapes, { width, gap, narrow }, start, end, height, isFilled) {
  const wanted = shapes.slice(start, end).map(({ ratio, fixed }) => fixed ?? Math.max(narrow, ratio * height))
  const room = width - gap * (wanted.length - 1)
  const sum = wanted.reduce((all, one) => all + one, 0)
  const scale = isFilled || sum > room ? room / sum : 1
  const [lefts, widths] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
  let right = 0
  for (const one of wanted) {
    const left = Math.round(right)
    right += one * scale
    lefts.push(left + gap * lefts.length)
    widths.push(Math.round(right) - left)
  }
  return { lefts, widths }
}

/** The place of the row at a height of the wall, or the nearest. @param {readonly WallRow[]} rows @param {number} y */
export function rowAt(rows, y) {
  let [low, high] = [0, rows.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (rows[middle].top <= y) low = middle
    else high = middle - 1
  }
  return low
}

/** The picture to which a key leads from another. Up and down go to what stands nearest above or below a place in the row;
 * nothing for another key. @param {readonly WallRow[]} rows @param {number} from @param {string} key @param {number} page rows of a page
 * @param {number} [x] where in the row one wants to stay */
export function led(rows, from, key, page, x = middleOf(rows, from)) {
  const count = rows.length ? rows[rows.length - 1].end : 0
  const row = rowOf(rows, from)
  const ways = /** @type {Record<string, number>} */ ({ ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page })
  const ends = /** @type {Record<string, number>} */ ({ ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: count - 1 })
  if (key in ends) return Math.max(0, Math.min(count - 1, ends[key]))
  if (!(key in ways)) return undefined
  const to = Math.max(0, Math.min(rows.length - 1, row + ways[key]))
  return to === row ? from : nearest(rows[to], x)
}

/** @param {readonly WallRow[]} rows @param {number} place */
export function rowOf(rows, place) {
  let [low, high] = [0, rows.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (rows[middle].start <= place) low = middle
    else high = middle - 1
  }
  return low
}

/** The middle of a picture, in pixels from the left. @param {readonly WallRow[]} rows @param {number} place */
export function middleOf(rows, place) {
  const row = rows[rowOf(rows, place)]
  const at = place - (row?.start ?? 0)
  return row ? row.lefts[at] + row.widths[at] / 2 : 0
}

/** @param {WallRow} row @param {number} x */
function nearest({ start, lefts, widths }, x) {
  const away = lefts.map((left, at) => Math.abs(left + widths[at] / 2 - x))
  return start + away.indexOf(Math.min(...away))
}
