/** The ledger of one gateway, summed for people. Pure. */
import type { Lane, Ledger, LedgerStream } from './api'

export interface LaneSum {
  expected: number
  received: number
  missing: number
  explained: number
  unexplained: number
  epochs: number
}

const NOTHING: LaneSum = { expected: 0, received: 0, missing: 0, explained: 0, unexplained: 0, epochs: 0 }

/** Ranges are half-open: `[from, to)`. */
export function rangeCount(ranges: readonly (readonly [number, number])[]): number {
  return ranges.reduce((sum, [from, to]) => sum + Math.max(0, to - from), 0)
}

function add(sum: LaneSum, stream: LedgerStream): LaneSum {
  const explained = rangeCount((stream.explained ?? []).map((e) => [e.from, e.to] as const))
  const missing = Math.max(0, stream.expected - stream.received)
  return {
    expected: sum.expected + stream.expected,
    received: sum.received + stream.received,
    missing: sum.missing + missing,
    explained: sum.explained + explained,
    unexplained: sum.unexplained + stream.unexplained,
    epochs: sum.epochs + 1,
  }
}

export function sumLane(ledger: Ledger, lane: Lane | 'all'): LaneSum {
  return ledger.streams.filter((s) => lane === 'all' || s.lane === lane).reduce(add, NOTHING)
}

export type Verdict = 'complete' | 'explained' | 'incomplete' | 'unknown'

/** Never better than the server's own word, and never complete with something unexplained. */
export function verdictOf(ledger: Ledger | undefined): Verdict {
  if (!ledger || ledger.streams.length === 0) return 'unknown'
  const sum = sumLane(ledger, 'all')
  if (sum.unexplained > 0) return 'incomplete'
  // Nothing known is missing, yet the server does not vouch for it: the site cannot be heard right now.
  if (!ledger.complete) return 'unknown'
  return sum.explained > 0 || ledger.gaps.length > 0 ? 'explained' : 'complete'
}

/** `12–19, 40`: the sequence numbers still missing, at most `max` ranges. */
export function describeRanges(ranges: readonly (readonly [number, number])[], max = 6): string {
  const shown = ranges.slice(0, max).map(([from, to]) => (to - from <= 1 ? `${from}` : `${from}–${to - 1}`))
  return shown.join(', ') + (ranges.length > max ? ', …' : '')
}
