import { expect, it } from 'vitest'
import { gaps, laddersOf, namesIn, onDuty, series, SERIES_MAX, type Rung } from '../src/lib/duty'
import { setZone, siteTime } from '../src/lib/format'
import { sectionOf } from '../src/lib/screen'

it('makes shifts in turn, one after another, and no more than a year of days', () => {
  const made = series('2026-11-25T00:00:00.000Z', 8, 4, ['li', 'wang'], null)
  expect(made.map((shift) => shift.person)).toEqual(['li', 'wang', 'li', 'wang'])
  expect(made[3]).toEqual({ from: '2026-11-26T00:00:00.000Z', to: '2026-11-26T08:00:00.000Z', person: 'wang', channel: null })
  expect(series('2026-11-25T00:00:00Z', 8, 1e9, ['li'], null)).toHaveLength(SERIES_MAX)
  expect([series('no', 8, 3, ['li'], null), series('2026-11-25T00:00:00Z', 0, 3, ['li'], null), series('2026-11-25T00:00:00Z', 8, 3, [], null)]).toEqual([[], [], []])
})

it('says who has the watch and when nobody has it', () => {
  const now = Date.parse('2026-11-25T10:00:00Z')
  const shifts = [...series('2026-11-25T08:00:00Z', 8, 1, ['li'], null), ...series('2026-11-25T18:00:00Z', 6, 1, ['wang'], null)]
  expect(onDuty(shifts, now).map((shift) => shift.person)).toEqual(['li'])
  expect(onDuty(shifts, Date.parse('2026-11-25T16:00:00Z'))).toEqual([])
  expect(gaps(shifts, now)).toEqual([{ from: '2026-11-25T16:00:00.000Z', to: '2026-11-25T18:00:00.000Z' }])
  expect(gaps([], now)).toEqual([])
})

it('puts rungs together as ladders, in the order of their steps', () => {
  const rung = (step: number, level: string, domain: string | null): Rung => ({ org: 'g', domain, level, step, after_ms: step * 60_000, target: 'roster:night', channel: null, revision: 3 })
  const ladders = laddersOf([rung(1, 'red', null), rung(0, 'red', ''), rung(0, 'orange', 'dam')])
  expect(ladders.map((ladder) => [ladder.level, ladder.domain, ladder.rungs.map((one) => one.step)])).toEqual([['red', '*', [0, 1]], ['orange', 'dam', [0]]])
})

it('reads names with any mark between them, and times of the site', () => {
  expect(namesIn(' li,wang、zhao； qian')).toEqual(['li', 'wang', 'zhao', 'qian'])
  setZone(8)
  expect(siteTime('2026-11-25T08:00')).toBe('2026-11-25T00:00:00.000Z')
  expect(siteTime('yesterday')).toBe(null)
  setZone(null)
})

it('knows the section of every page', () => {
  expect([sectionOf('duty'), sectionOf('business'), sectionOf('alarms')]).toEqual(['manage', 'business', null])
})
