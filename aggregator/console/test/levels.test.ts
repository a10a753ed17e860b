import { expect, it } from 'vitest'
import { byUrgency, countByLevel, parseLevel, shapeOf, WARNINGS, worst, type Level } from '../src/lib/levels'

it('treats a level it does not know as the worst', () => {
  expect(parseLevel('purple')).toBe('red')
  expect(parseLevel(undefined)).toBe('red')
  expect(parseLevel('toString')).toBe('red')
  expect(parseLevel('normal')).toBe('normal')
})

it('gives every level a shape of its own', () => {
  const shapes = [...WARNINGS, 'normal' as Level].map(shapeOf)
  expect(new Set(shapes).size).toBe(5)
})

it('sorts the worst first, then the newest', () => {
  const rows = [
    { level: 'blue' as Level, since: '2026-01-03' },
    { level: 'red' as Level, since: '2026-01-01' },
    { level: 'red' as Level, since: '2026-01-02' },
    { level: 'yellow' as Level, since: '2026-01-04' },
  ]
  expect(rows.toSorted(byUrgency).map((r) => r.level + r.since.slice(-1))).toEqual(['red2', 'red1', 'yellow4', 'blue3'])
})

it('finds the worst and counts each', () => {
  expect(worst([])).toBe('normal')
  expect(worst(['blue', 'orange', 'yellow'])).toBe('orange')
  expect(countByLevel([{ level: 'red' }, { level: 'normal' }, { level: 'red' }])).toEqual({ red: 2, orange: 0, yellow: 0, blue: 0 })
})
