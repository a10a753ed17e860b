import { expect, it } from 'vitest'
import { formatAge, formatLimit, formatTime, formatValue, setZone, shortHash, zoneName } from '../src/lib/format'

it('shows values with decimals that fit what they are compared with', () => {
  expect([1.5796, 41.2, 118.424, 1234.56, -0.0001, 0].map((v) => formatValue(v))).toEqual(['1.580', '41.20', '118.42', '1234.6', '0.000', '0.000'])
  expect(formatValue(0, 60)).toBe('0.00')
  expect(formatValue(null)).toBe('—')
  expect(formatValue(NaN)).toBe('—')
})

it('shows limits as they were configured', () => {
  expect([4, 118.3, 0.1 + 0.2].map(formatLimit)).toEqual(['4', '118.3', '0.3'])
})

it('gives an age in one unit, and none below zero', () => {
  expect([-5000, 0, 99_000, 100_000, 5_940_000, 86_400_000, 300_000_000].map((ms) => formatAge(ms, 'zh'))).toEqual(['0 秒', '0 秒', '99 秒', '1 分', '99 分', '24 小时', '3 天'])
  expect(formatAge(61_000, 'en')).toBe('61 s')
})

it('adds the date to a time that is not today', () => {
  const now = new Date(2026, 10, 23, 12, 0, 0).getTime()
  expect(formatTime(new Date(2026, 10, 23, 9, 5, 7).toISOString(), now)).toBe('09:05:07')
  expect(formatTime(new Date(2026, 10, 22, 9, 5, 7).toISOString(), now)).toBe('11-22 09:05:07')
  expect(formatTime(new Date(2025, 0, 2, 9, 5, 7).toISOString(), now)).toBe('2025-01-02 09:05:07')
  expect(formatTime('nonsense', now)).toBe('—')
  expect(formatTime(null, now)).toBe('—')
})

it('cuts hashes', () => {
  expect(shortHash('sha256:9f3c71d2a84be055')).toBe('9f3c71d2a84b')
  expect(shortHash(null)).toBe('—')
})

it('shows the time of the site, whatever this computer thinks', () => {
  const now = Date.parse('2026-11-25T12:00:00Z')
  setZone(8)
  expect(zoneName(now)).toBe('UTC+8')
  expect(formatTime('2026-11-25T15:59:58Z', now)).toBe('23:59:58')
  expect(formatTime('2026-11-25T16:00:00Z', now)).toBe('11-26 00:00:00')
  expect(formatTime('2026-12-31T16:00:00Z', now)).toBe('2027-01-01 00:00:00')
  setZone(-3.5)
  expect(zoneName(now)).toBe('UTC-3:30')
  setZone(null)
})
