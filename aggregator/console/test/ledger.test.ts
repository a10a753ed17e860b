import { expect, it } from 'vitest'
import type { Ledger } from '../src/lib/api'
import { describeRanges, rangeCount, sumLane, verdictOf } from '../src/lib/ledger'

const stream = { epoch: '1', lane: 'routine' as const, expected: 100, received: 100, missing: [] as [number, number][], explained: [] as { from: number; to: number; reason: string }[], unexplained: 0, closed: false }
const ledger = (change: Partial<Ledger> = {}): Ledger => ({ gateway: 'gw', streams: [stream], gaps: [], complete: true, ...change })

it('sums the epochs of a lane', () => {
  const sum = sumLane(ledger({ streams: [stream, { ...stream, epoch: '2', expected: 50, received: 40, missing: [[10, 20]], explained: [{ from: 10, to: 16, reason: 'spool_full' }], unexplained: 4 }] }), 'all')
  expect(sum).toEqual({ expected: 150, received: 140, missing: 10, explained: 6, unexplained: 4, epochs: 2 })
  expect(sumLane(ledger(), 'alarm').epochs).toBe(0)
})

it('is complete only by the server’s word and with nothing unexplained', () => {
  expect(verdictOf(ledger())).toBe('complete')
  expect(verdictOf(ledger({ complete: false }))).toBe('unknown')
  expect(verdictOf(ledger({ streams: [{ ...stream, unexplained: 1 }] }))).toBe('incomplete')
  expect(verdictOf(ledger({ streams: [{ ...stream, explained: [{ from: 1, to: 2, reason: 'disk_full' }] }] }))).toBe('explained')
  expect(verdictOf(ledger({ streams: [] }))).toBe('unknown')
  expect(verdictOf(undefined)).toBe('unknown')
})

it('counts and writes half-open ranges', () => {
  expect(rangeCount([[1, 4], [9, 10]])).toBe(4)
  expect(describeRanges([[1, 4], [9, 10]])).toBe('1–3, 9')
  expect(describeRanges([[1, 2], [3, 4], [5, 6]], 2)).toBe('1, 3, …')
})
