/** What is missing from the ledgers, one row per hole, unexplained first. Pure. */
import type { LedgerView } from './openapi'

export interface MissingRow {
  gateway: string
  /** Sequence numbers, last included. */
  numbers: { from: number; to: number; lane: string; epoch: number } | null
  /** What was not sampled, of a hole in time. */
  subject: string
  count: number
  /** `null`: nobody has explained it yet. */
  reason: string | null
  from: string | null
  to: string | null
}

/** Rows shown; the ledger itself lists at most a thousand. */
const ROWS_MAX = 300

export function missingRows(ledgers: readonly LedgerView[]): MissingRow[] {
  const rows: MissingRow[] = []
  for (const { gateway, streams, gaps } of ledgers) {
    for (const { lane, epoch, missing, explained } of streams) {
      const numbers = (from: number, to: number) => ({ from, to: to - 1, lane, epoch })
      for (const [from = 0, to = 0] of missing) {
        rows.push({ gateway, numbers: numbers(from, to), subject: '', count: to - from, reason: null, from: null, to: null })
      }
      for (const { from, to, reason } of explained) {
        rows.push({ gateway, numbers: numbers(from, to), subject: '', count: to - from, reason, from: null, to: null })
      }
    }
    for (const gap of gaps) {
      rows.push({ gateway, numbers: null, subject: gap.subject, count: gap.count, reason: gap.reason, from: gap.from, to: gap.to })
    }
  }
  const age = (row: MissingRow): string => row.from ?? ''
  return rows.sort((a, b) => Number(a.reason !== null) - Number(b.reason !== null) || age(b).localeCompare(age(a))).slice(0, ROWS_MAX)
}
