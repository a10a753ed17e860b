/** Sparkline geometry. Pure; a value that cannot be trusted breaks the line instead of bending it. */

export interface Sample {
  /** Source time, milliseconds. */
  t: number
  /** `null` where the value was bad: the line has a hole there. */
  v: number | null
}

export const TRAIL_MS = 300_000
/** Five minutes at one value a second. */
export const TRAIL_MAX = 300

/** Adds a live sample in time order and drops what is older than the window. */
export function appendSample(trail: readonly Sample[], sample: Sample): Sample[] {
  const last = trail.at(-1)
  if (last && sample.t <= last.t) return trail as Sample[]
  const kept = trail.filter((s) => s.t > sample.t - TRAIL_MS)
  kept.push(sample)
  return kept.slice(-TRAIL_MAX)
}

/** History, which also fills what a cut left open, then what has arrived live since. */
export function mergeHistory(history: readonly Sample[], live: readonly Sample[]): Sample[] {
  const last = history.at(-1)?.t ?? -Infinity
  return [...history, ...live.filter((s) => s.t > last)].slice(-TRAIL_MAX)
}

export interface Spark {
  path: string
  /** The newest trusted sample, where the dot goes. */
  dot: { x: number; y: number } | null
  /** Height of each limit that lies inside the picture. */
  limits: number[]
}

const PAD = 2

/** Fits the trail into `width` × `height`; the right edge is `nowMs`. */
export function sparkline(
  trail: readonly Sample[],
  limits: readonly number[],
  width: number,
  height: number,
  nowMs: number,
): Spark {
  const seen = trail.filter((s) => s.t > nowMs - TRAIL_MS)
  const values = seen.flatMap((s) => (s.v === null ? [] : [s.v]))
  if (values.length === 0) return { path: '', dot: null, limits: [] }
  let low = Math.min(...values)
  let high = Math.max(...values)
  const room = Math.max((high - low) * 0.15, Math.abs(high) * 0.002, 1e-9)
  low -= room
  high += room
  const x = (t: number): number => Number((width - ((nowMs - t) / TRAIL_MS) * width).toFixed(1))
  const y = (v: number): number => Number((height - PAD - ((v - low) / (high - low)) * (height - 2 * PAD)).toFixed(1))
  let path = ''
  let pen = false
  let dot: Spark['dot'] = null
  for (const s of seen) {
    if (s.v === null) {
      pen = false
      continue
    }
    dot = { x: Math.min(width - PAD, Math.max(PAD, x(s.t))), y: y(s.v) }
    path += `${pen ? 'L' : 'M'}${x(s.t)} ${dot.y}`
    pen = true
  }
  return { path, dot, limits: limits.filter((l) => l > low && l < high).map(y) }
}
