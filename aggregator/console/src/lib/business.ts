/**
 * Warnings of the business side (credit, procurement, treasury, legal): a queue of their own, without sound.
 * Drilled from the group to the unit to the warning to the rows its rule saw. Pure.
 */
import type { Lang } from './i18n'
import { rank, type Level, type Warning } from './levels'
import type { AnnunciatorRow } from './work'

export const BUSINESS = ['credit', 'procurement', 'treasury', 'legal'] as const
export type BusinessDomain = (typeof BUSINESS)[number]

export const isBusiness = (domain: string): boolean => (BUSINESS as readonly string[]).includes(domain)
export const isBusinessKind = (kind: string): boolean => kind.endsWith('_risk')

/** A rule says its sentence in Chinese and English, parted by a bar. */
export function sentenceOf(why: string, lang: Lang): string {
  const bar = why.indexOf(' | ')
  if (bar < 0) return why
  return lang === 'zh' ? why.slice(0, bar) : why.slice(bar + 3)
}

/** Warnings at a part of the organisation or below it; the empty path is everything. */
export const within = (row: AnnunciatorRow, org: string): boolean => org === '' || row.org === org || row.org.startsWith(`${org}/`)

export interface Unit {
  org: string
  counts: Record<Warning, number>
  total: number
  worst: Level
}

/** The next units below `org` that have warnings, worst first. */
export function unitsBelow(rows: readonly AnnunciatorRow[], org: string): Unit[] {
  const depth = org === '' ? 0 : org.split('/').length
  const units = new Map<string, Unit>()
  for (const row of rows) {
    if (!within(row, org) || row.level === 'normal') continue
    const parts = row.org.split('/')
    if (parts.length <= depth) continue
    const below = parts.slice(0, depth + 1).join('/')
    const unit = units.get(below) ?? { org: below, counts: { red: 0, orange: 0, yellow: 0, blue: 0 }, total: 0, worst: 'normal' as Level }
    unit.counts[row.level] += 1
    unit.total += 1
    if (rank(row.level) > rank(unit.worst)) unit.worst = row.level
    units.set(below, unit)
  }
  return [...units.values()].sort((a, b) => rank(b.worst) - rank(a.worst) || b.total - a.total || a.org.localeCompare(b.org))
}

/** A step of a rule's answer, with the rows of facts behind it. */
export interface Trace {
  of: string
  value: string
  rows?: { kind: string; key: string; known_at_us: number }[]
  more?: number
  from?: Trace[]
}

export function parseTrace(raw: unknown): Trace | null {
  const trace = raw as Partial<Trace> | null
  return trace && typeof trace.of === 'string' && typeof trace.value === 'string' ? (trace as Trace) : null
}

/** Every row a trace names, once: what is drilled to. */
export function evidenceOf(trace: Trace): { kind: string; key: string }[] {
  const found = new Map<string, { kind: string; key: string }>()
  const walk = (at: Trace): void => {
    for (const row of at.rows ?? []) found.set(`${row.kind} ${row.key}`, { kind: row.kind, key: row.key })
    for (const below of at.from ?? []) walk(below)
  }
  walk(trace)
  return [...found.values()]
}
