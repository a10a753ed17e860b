/** Who is called when: rosters with shifts, responsible parties, ladders. Pure: the clock is an argument. */

export interface Shift {
  from: string
  to: string
  person: string
  channel: string | null
}

export interface Roster {
  roster: string
  org: string
  zh: string
  en: string
  revision: number
}

export interface Party {
  org: string
  domain: string | null
  role: string
  person: string
  channel: string | null
}

export interface Rung {
  org: string
  domain: string | null
  level: string
  step: number
  after_ms: number
  target: string
  channel: string | null
  revision: number
}

export interface Ladder {
  org: string
  domain: string
  level: string
  revision: number
  rungs: Rung[]
}

/** Shifts of one roster that one order carries: 64 KiB hold them. */
export const SHIFTS_SENT_MAX = 400
/** Shifts made at once. */
export const SERIES_MAX = 366

/** Shifts of `hours` each, people in turn, one after another. */
export function series(startIso: string, hours: number, count: number, people: readonly string[], channel: string | null): Shift[] {
  const start = Date.parse(startIso)
  if (Number.isNaN(start) || people.length === 0 || !(hours > 0)) return []
  const at = (n: number): string => new Date(start + n * hours * 3_600_000).toISOString()
  return Array.from({ length: Math.min(Math.max(0, Math.floor(count)), SERIES_MAX) }, (_, n) => ({ from: at(n), to: at(n + 1), person: people[n % people.length] as string, channel }))
}

/** Who has the watch now. */
export const onDuty = <T extends Shift>(shifts: readonly T[], nowMs: number): T[] =>
  shifts.filter((shift) => Date.parse(shift.from) <= nowMs && nowMs < Date.parse(shift.to))

/** When nobody has the watch: the hours without a shift from now on, until the last shift ends. */
export function gaps(shifts: readonly Shift[], nowMs: number): { from: string; to: string }[] {
  const spans = shifts.map((shift) => [Date.parse(shift.from), Date.parse(shift.to)] as const).filter(([, to]) => to > nowMs).sort((a, b) => a[0] - b[0])
  const found: { from: string; to: string }[] = []
  let covered = nowMs
  for (const [from, to] of spans) {
    if (from > covered) found.push({ from: new Date(covered).toISOString(), to: new Date(from).toISOString() })
    covered = Math.max(covered, to)
  }
  return found
}

/** Rungs together as the ladders they belong to; `*` is every domain. */
export function laddersOf(rungs: readonly Rung[]): Ladder[] {
  const ladders = new Map<string, Ladder>()
  for (const rung of rungs) {
    const domain = rung.domain || '*'
    const key = `${rung.org} ${domain} ${rung.level}`
    const ladder = ladders.get(key) ?? { org: rung.org, domain, level: rung.level, revision: rung.revision, rungs: [] }
    ladder.rungs.push(rung)
    ladders.set(key, ladder)
  }
  for (const ladder of ladders.values()) ladder.rungs.sort((a, b) => a.step - b.step || a.after_ms - b.after_ms)
  return [...ladders.values()]
}

/** Names typed with commas, blanks or the Chinese marks between them. */
export const namesIn = (typed: string): string[] => typed.split(/[\s,，、;；]+/).filter(Boolean)
