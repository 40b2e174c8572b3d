// Zoom: a picture on a stage, whole or as large as one likes, with the point under the mouse or the fingers where it was.
// @ts-check

/** How many pixels of the screen a pixel of the picture is shown as at most. */
const MOST_ENLARGED = 8
/** By how much the keys and buttons zoom, and how many pixels the arrows move. */
export const ZOOM_STEP = 1.5
const ARROW_PIXELS = 80
/** Pixels of the hand's tremor: a press that moves less moves nothing. */
const STILL_PIXELS = 4
const WHEEL_LINE = 16
const WHEEL = 0.0015
const PINCH = 0.01

export class Zoom {
  /** Points of the page for a pixel of the picture. */
  scale = 1
  isFitted = true
  #stage
  #image
  #changed
  #width = 1
  #height = 1
  #left = 0
  #top = 0
  /** Where fingers and mouse buttons are down. @type {Map<number, [number, number]>} */
  #down = new Map()
  #moved = 0
  #watch

  /** @param {HTMLElement} stage @param {HTMLImageElement} image which is all that is to be seen on it @param {() => void} changed */
  constructor(stage, image, changed) {
    this.#stage = stage
    this.#image = image
    this.#changed = changed
    stage.addEventListener("wheel", event => this.#wheel(event), { passive: false })
    stage.addEventListener("pointerdown", event => this.#press(event))
    stage.addEventListener("pointermove", event => this.#drag(event))
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) stage.addEventListener(name, event => { this.#down.delete(event.pointerId) })
    this.#watch = new ResizeObserver(() => this.#resized())
    this.#watch.observe(stage)
  }
  close() {
    this.#watch.disconnect()
  }
  /** Whether the last press was a click, not the end of a drag. */
  get isClick() {
    return this.#moved < STILL_PIXELS
  }
  /** Show a picture of so many pixels, whole. @param {number} width @param {number} height */
  show(width, height) {
    this.#width = width
    this.#height = height
    this.fit()
  }
  fit() {
    this.isFitted = true
    this.scale = this.#whole
    this.#left = this.#top = 0
    this.#draw()
  }
  /** Each pixel of the picture as one of the screen; once more, all of it. A point of the stage stays where it is.
   * @param {number} [x] @param {number} [y] */
  toggle(x, y) {
    if (this.isFitted) this.to(1 / devicePixelRatio, x, y)
    else this.fit()
  }
  /** @param {number} factor @param {number} [x] @param {number} [y] */
  by(factor, x, y) {
    this.to(this.scale * factor, x, y)
  }
  /** @param {number} scale @param {number} [x] of the stage, its middle if it is not told @param {number} [y] */
  to(scale, x = this.#stage.clientWidth / 2, y = this.#stage.clientHeight / 2) {
    const wanted = Math.min(scale, MOST_ENLARGED / devicePixelRatio)
    const whole = this.#whole
    if (wanted <= whole && scale <= this.scale) return this.fit()
    const ratio = wanted / this.scale
    this.isFitted = false
    this.scale = wanted
    this.#left = x - (x - this.#left) * ratio
    this.#top = y - (y - this.#top) * ratio
    this.#draw()
  }
  /** Move what is in sight by an arrow's step. @param {number} across @param {number} down */
  step(across, down) {
    this.#move(-across * ARROW_PIXELS, -down * ARROW_PIXELS)
  }
  /** The scale at which all of it is in sight; no pixel is shown larger than a point for that. */
  get #whole() {
    const { clientWidth, clientHeight } = this.#stage
    return Math.min(1, clientWidth / this.#width, clientHeight / this.#height) || 1
  }
  /** @param {number} across @param {number} down */
  #move(across, down) {
    this.#left += across
    this.#top += down
    this.#draw()
  }
  #draw() {
    const { clientWidth, clientHeight } = this.#stage
    const [width, height] = [this.#width * this.scale, this.#height * this.scale]
    this.#left = within(this.#left, width, clientWidth)
    this.#top = within(this.#top, height, clientHeight)
    Object.assign(this.#image.style, { width: `${width}px`, height: `${height}px`, transform: `translate(${this.#left}px, ${this.#top}px)` })
    this.#image.draggable = this.isFitted
    this.#image.style.imageRendering = this.scale * devicePixelRatio > 3 ? "pixelated" : "auto"
    this.#changed()
  }
  #resized() {
    if (this.isFitted) this.fit()
    else this.#draw()
  }
  /** A point of the page on the stage. @param {{clientX: number, clientY: number}} event @returns {[number, number]} */
  at({ clientX, clientY }) {
    const { left, top } = this.#stage.getBoundingClientRect()
    return [clientX - left, clientY - top]
  }
  /** Whether a point of the page is over the picture. @param {{clientX: number, clientY: number}} event */
  isOver({ clientX, clientY }) {
    const { left, right, top, bottom } = this.#image.getBoundingClientRect()
    return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom
  }
  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault()
    const [x, y] = this.at(event)
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_LINE)
    this.by(Math.exp(-pixels * (event.ctrlKey ? PINCH : WHEEL)), x, y)
  }
  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button) return
    if (!this.#down.size) this.#moved = 0
    this.#down.set(event.pointerId, this.at(event))
    if (!this.isFitted || event.pointerType === "touch") this.#stage.setPointerCapture(event.pointerId)
  }
  /** @param {PointerEvent} event */
  #drag(event) {
    const before = this.#down.get(event.pointerId)
    if (!before) return
    const now = this.at(event)
    const [across, down] = [now[0] - before[0], now[1] - before[1]]
    this.#moved += Math.abs(across) + Math.abs(down)
    const other = [...this.#down].find(([id]) => id !== event.pointerId)?.[1]
    if (other) this.#pinch(before, now, other)
    else if (!this.isFitted) this.#move(across, down)
    this.#down.set(event.pointerId, now)
  }
  /** One finger goes on, and another stays where it is. @param {number[]} before @param {number[]} now @param {number[]} other */
  #pinch(before, now, other) {
    const apart = (/** @type {number[]} */ one) => Math.hypot(one[0] - other[0], one[1] - other[1])
    if (apart(before) > STILL_PIXELS) this.by(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2)
  }
}

/** Where the edge of something may be: in the middle where it is smaller than the room, else so that it fills it.
 * @param {number} edge @param {number} size @param {number} room */
export function within(edge, size, room) {
  return size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, edge))
}
