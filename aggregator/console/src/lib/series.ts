/**
 * A history as a chart draws it: columns, stretches that may not be trusted, and a CSV that opens safely. Pure.
 *
 * Invariant: a bad sample is a hole in the line, never a value; a cell of the CSV can never be a formula.
 */
import type { HistoryView } from './openapi'

export interface Columns {
  /** Seconds since 1970. */
  at: number[]
  mean: (number | null)[]
  min: (number | null)[]
  max: (number | null)[]
  /** Stretches, seconds, whose quality is bad or uncertain. */
  doubtful: { from: number; to: number; quality: string }[]
}

export function columnsOf(history: HistoryView): Columns {
  const columns: Columns = { at: [], mean: [], min: [], max: [], doubtful: [] }
  const width = history.bucket_ms / 1000
  let before: number | null = null
  for (const sample of history.samples) {
    const at = Date.parse(sample.at) / 1000
    // A hole in time is a hole in the line.
    if (width > 0 && before !== null && at - before > 3 * width) {
      columns.at.push(before + width)
      columns.mean.push(null)
      columns.min.push(null)
      columns.max.push(null)
    }
    const usable = sample.quality !== 'bad' || sample.mean !== null
    columns.at.push(at)
    columns.mean.push(usable ? (sample.mean ?? null) : null)
    columns.min.push(usable ? (sample.min ?? null) : null)
    columns.max.push(usable ? (sample.max ?? null) : null)
    if (sample.quality !== 'good') {
      const last = columns.doubtful.at(-1)
      if (last && last.quality === sample.quality && before !== null && last.to >= before) last.to = at + width
      else columns.doubtful.push({ from: at, to: at + width, quality: sample.quality })
    }
    before = at
  }
  return columns
}

/** Least and most of a column; `null` when it is empty. */
export function extent(...columns: readonly (readonly (number | null)[])[]): [number, number] | null {
  let low = Infinity
  let high = -Infinity
  for (const column of columns) {
    for (const value of column) {
      if (value === null) continue
      if (value < low) low = value
      if (value > high) high = value
    }
  }
  return low <= high ? [low, high] : null
}

/**
 * One cell. Spreadsheets run what begins with `=`, `+`, `-`, `@`, tab or carriage return (CWE-1236):
 * such text gets an apostrophe before it; a number stays a number.
 */
export function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : ''
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export interface Exported {
  gateway: string
  name: string
  history: HistoryView
}

/** The file, with a byte-order mark so that Excel reads the Chinese; one row per sample and point. */
export function csvOf(parts: readonly Exported[], head: readonly string[]): string {
  const lines = [head.map(cell).join(',')]
  for (const { gateway, name, history } of parts) {
    for (const s of history.samples) {
      lines.push([gateway, history.point, name, s.at, s.mean, s.min, s.max, s.n, history.unit, s.quality].map(cell).join(','))
    }
  }
  return `\ufeff${lines.join('\r\n')}\r\n`
}
