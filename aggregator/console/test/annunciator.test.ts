import { describe, expect, it } from 'vitest'
import { byNeed, choose, mayBulk, partsOf, provisional, rowKey, seenAs, soundOf, windowOf } from '../src/lib/annunciator'
import type { AnnunciatorRow, Handling } from '../src/lib/work'

const handling = (over: Partial<Handling> = {}): Handling => ({
  isa: 'UNACK', process: 'active', level: 'red', acked: false, acked_by: null, acked_at: null, silenced: false, kept_back: null, version: 1, inhibited_by: null, case: null, ...over,
})
const row = (alarm: string, level: AnnunciatorRow['level'], at: string, over: Partial<Handling> = {}): AnnunciatorRow => ({
  gateway: 'gw', alarm, level, at, org: '', domain: 'dam', handling: handling({ level, ...over }),
})
const order = (rows: AnnunciatorRow[]): string => rows.toSorted(byNeed).map((one) => one.alarm).join(' ')

describe('the order', () => {
  it('has unacknowledged red first, then the worst, then the newest; what is kept back last', () => {
    const held = { how: 'shelved' as const, by: 'x', second: null, why: 'w', until: null }
    expect(
      order([
        row('acked-red', 'red', '2026-01-05', { acked: true }),
        row('blue', 'blue', '2026-01-09'),
        row('old-red', 'red', '2026-01-01'),
        row('orange', 'orange', '2026-01-02'),
        row('shelved-red', 'red', '2026-01-08', { kept_back: held }),
        row('new-red', 'red', '2026-01-04'),
      ]),
    ).toBe('new-red old-red orange blue acked-red shelved-red')
  })

  it('is the same whatever order the rows come in', () => {
    const rows = [row('a', 'red', '1'), row('b', 'red', '1'), row('c', 'blue', '2')]
    expect(order(rows)).toBe(order(rows.toReversed()))
  })
})

it('filters by level and worse, site, domain and words of the name', () => {
  const rows = [row('pz-1.threshold', 'red', '1'), row('pz-2.threshold', 'yellow', '2')]
  const names = (one: AnnunciatorRow): string => (one.alarm.startsWith('pz-1') ? '一号孔' : '二号孔')
  expect(choose(rows, { level: 'orange' }, names).map(rowKey)).toEqual(['gw/pz-1.threshold'])
  expect(choose(rows, { text: '二号' }, names).map(rowKey)).toEqual(['gw/pz-2.threshold'])
  expect(choose(rows, { gateway: 'other' }, names)).toEqual([])
})

describe('acknowledging together', () => {
  it('never takes red, nor what was not seen, nor what changed since', () => {
    const [yellow, red] = [row('y', 'yellow', '1'), row('r', 'red', '1')]
    const seen = new Set([seenAs(yellow), seenAs(red)])
    expect(mayBulk(yellow, seen)).toBe(true)
    expect(mayBulk(red, seen)).toBe(false)
    expect(mayBulk(row('z', 'yellow', '1'), seen)).toBe(false)
    expect(mayBulk(row('y', 'yellow', '1', { version: 2 }), seen)).toBe(false)
    expect(mayBulk(row('y', 'yellow', '1', { acked: true }), seen)).toBe(false)
  })
})

describe('sound', () => {
  it('is that of the worst unacknowledged; silence is not acknowledgement, and an acknowledgement is quiet', () => {
    expect(soundOf([row('a', 'yellow', '1'), row('b', 'orange', '1')])).toBe('orange')
    expect(soundOf([row('b', 'orange', '1', { silenced: true }), row('a', 'blue', '1')])).toBe('blue')
    expect(soundOf([row('b', 'orange', '1', { acked: true })])).toBeNull()
    expect(soundOf([row('b', 'orange', '1', { process: 'returned' })])).toBeNull()
    expect(soundOf([])).toBeNull()
  })

  it('is made for an alarm headquarters has not recorded yet, not for the business side', () => {
    expect(soundOf([provisional({ gateway: 'gw', alarm: 'cam.fall', level: 'red', at: '1' }, '')])).toBe('red')
    expect(soundOf([{ ...row('b', 'red', '1'), domain: 'procurement' }])).toBeNull()
  })
})

it('draws of ten thousand rows only those around the window', () => {
  const { from, to } = windowOf(10_000, 64 * 5_000, 640, 64)
  expect([from, to]).toEqual([4_994, 5_016])
  expect(windowOf(3, 0, 640, 64)).toEqual({ from: 0, to: 3 })
  expect(windowOf(0, 900, 640, 64)).toEqual({ from: 0, to: 0 })
})

it('takes an alarm id apart at its last dot', () => {
  expect(partsOf('pz-03.level.threshold')).toEqual({ subject: 'pz-03.level', kind: 'threshold' })
  expect(provisional({ gateway: 'r', alarm: 'p01.ff', level: 'red', at: '1', kind: 'procurement_risk' }, '').domain).toBe('procurement')
  expect(provisional({ gateway: 'g', alarm: 'c.camera_health', level: 'yellow', at: '1' }, '').domain).toBe('fall')
})
