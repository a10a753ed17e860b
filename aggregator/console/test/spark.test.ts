import { expect, it } from 'vitest'
import { appendSample, mergeHistory, sparkline, TRAIL_MAX, TRAIL_MS, type Sample } from '../src/lib/spark'

it('keeps five minutes and a bounded number of samples, in order', () => {
  let trail: Sample[] = []
  for (let t = 0; t < TRAIL_MS * 2; t += 100) trail = appendSample(trail, { t, v: 1 })
  expect(trail.length).toBe(TRAIL_MAX)
  const same = appendSample(trail, { t: 5, v: 9 })
  expect(same, 'an older sample changes nothing').toBe(trail)
  const slow = appendSample([{ t: 0, v: 1 }], { t: TRAIL_MS + 1, v: 2 })
  expect(slow.map((s) => s.v)).toEqual([2])
})

it('fills a trail from history and goes on with what came later, without doubles', () => {
  const merged = mergeHistory([{ t: 1, v: 1 }, { t: 5, v: 9 }], [{ t: 5, v: 5 }, { t: 6, v: 6 }])
  expect(merged).toEqual([{ t: 1, v: 1 }, { t: 5, v: 9 }, { t: 6, v: 6 }])
  expect(mergeHistory([], [{ t: 5, v: 5 }])).toEqual([{ t: 5, v: 5 }])
})

it('breaks the line where a value was bad', () => {
  const trail = [{ t: 10_000, v: 1 }, { t: 20_000, v: 2 }, { t: 30_000, v: null }, { t: 40_000, v: 1 }, { t: 50_000, v: 2 }]
  const { path } = sparkline(trail, [], 100, 20, 60_000)
  expect(path.match(/M/g)).toHaveLength(2)
})

it('draws nothing without trusted values and survives a flat line', () => {
  expect(sparkline([{ t: 1, v: null }], [], 100, 20, 2)).toEqual({ path: '', dot: null, limits: [] })
  expect(sparkline([{ t: 1, v: 0 }, { t: 2, v: 0 }], [0], 100, 20, 2).path).not.toMatch(/NaN|Infinity/)
})

it('shows only limits inside the picture', () => {
  const trail = [{ t: 1, v: 1 }, { t: 2, v: 3 }]
  expect(sparkline(trail, [2, 100], 100, 20, 2).limits).toHaveLength(1)
})
