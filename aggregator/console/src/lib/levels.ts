/**
 * The four warning levels of GB 39496-2020 with "normal" below them, and how they are told apart.
 *
 * Invariant: a level is never shown by colour alone; `shapeOf` gives each its own outline and
 * the dictionary gives each its own word. Colours live in `app.css` (tokens `--red-fill` …).
 */

export type Level = 'normal' | 'blue' | 'yellow' | 'orange' | 'red'
export type Warning = Exclude<Level, 'normal'>

/** Worst first. */
export const WARNINGS: readonly Warning[] = ['red', 'orange', 'yellow', 'blue']

const RANK: Record<Level, number> = { normal: 0, blue: 1, yellow: 2, orange: 3, red: 4 }

export function rank(level: Level): number {
  return RANK[level]
}

/** A level this console does not know must not look safe: it counts as red. */
export function parseLevel(text: unknown): Level {
  return typeof text === 'string' && Object.hasOwn(RANK, text) ? (text as Level) : 'red'
}

export function worst(levels: Iterable<Level>): Level {
  let found: Level = 'normal'
  for (const level of levels) if (RANK[level] > RANK[found]) found = level
  return found
}

/** Outline of each level in a 16 × 16 box: square, triangle, diamond, disc, ring. */
const SHAPES: Record<Level, string> = {
  red: 'M1.5 1.5h13v13h-13z',
  orange: 'M8 1.2 15.4 14.4H.6z',
  yellow: 'M8 .8 15.2 8 8 15.2.8 8z',
  blue: 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z',
  normal: 'M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zm0 1.6a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8z',
}

export function shapeOf(level: Level): string {
  return SHAPES[level]
}

interface Ranked {
  level: Level
  since: string
}

/** Worst first, then newest first. */
export function byUrgency(a: Ranked, b: Ranked): number {
  return RANK[b.level] - RANK[a.level] || b.since.localeCompare(a.since)
}

export function countByLevel(alarms: Iterable<{ level: Level }>): Record<Warning, number> {
  const counts: Record<Warning, number> = { red: 0, orange: 0, yellow: 0, blue: 0 }
  for (const { level } of alarms) if (level !== 'normal') counts[level] += 1
  return counts
}
