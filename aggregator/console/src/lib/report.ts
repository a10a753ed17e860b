/** A month at a site, and what was in it. Pure; months begin at the dam's own midnight. */
import type { CaseView, SampleView } from './openapi'

export interface Span {
  from: number
  to: number
}

const HOUR_MS = 3_600_000

export function monthOf(ms: number, offsetH: number): string {
  return new Date(ms + offsetH * HOUR_MS).toISOString().slice(0, 7)
}

export function monthRange(month: string, offsetH: number): Span {
  const [year = 0, number = 1] = month.split('-').map(Number)
  const at = (m: number): number => Date.UTC(year, m, 1) - offsetH * HOUR_MS
  return { from: at(number - 1), to: at(number) }
}

export interface Totals {
  min: number | null
  mean: number | null
  max: number | null
  n: number
}

/** Buckets joined: the mean is weighted by how many values each had. */
export function totalsOf(samples: readonly SampleView[]): Totals {
  let [min, max, sum, weight, n] = [Infinity, -Infinity, 0, 0, 0]
  for (const sample of samples) {
    n += sample.n
    if (sample.min === null || sample.max === null || sample.mean === null) continue
    min = Math.min(min, sample.min)
    max = Math.max(max, sample.max)
    sum += sample.mean * sample.n
    weight += sample.n
  }
  return weight === 0 ? { min: null, mean: null, max: null, n } : { min, mean: sum / weight, max, n }
}

/** Raised in the month, or still open in it. */
export function caseInMonth(one: CaseView, span: Span): boolean {
  const raised = Date.parse(one.raised_at)
  const closed = one.closed_at ? Date.parse(one.closed_at) : Infinity
  return raised < span.to && closed >= span.from
}
