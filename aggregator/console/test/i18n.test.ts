import { expect, it } from 'vitest'
import { DUTY } from '../src/lib/words.duty'
import { START } from '../src/lib/words.start'
import { DICTIONARY, langFromSearch, searchWithLang, translate, wireWord, type Key } from '../src/lib/i18n'

const keys = Object.keys(DICTIONARY.zh) as Key[]
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()

it('says everything in both languages with the same blanks', () => {
  for (const key of keys) {
    expect(DICTIONARY.en[key], key).toBeTruthy()
    expect(holes(DICTIONARY.en[key]), key).toEqual(holes(DICTIONARY.zh[key]))
  }
  expect(Object.keys(DICTIONARY.en).sort()).toEqual([...keys].sort())
})

const OWN = { DUTY, START }
it('says everything of the screens with words of their own in both languages', () => {
  for (const [name, words] of Object.entries(OWN) as [string, { zh: Record<string, string>; en: Record<string, string> }][]) {
    expect(Object.keys(words.en).sort(), name).toEqual(Object.keys(words.zh).sort())
    for (const [key, zh] of Object.entries(words.zh)) {
      expect(holes(words.en[key] ?? ''), key).toEqual(holes(zh))
      expect(words.en[key], key).not.toMatch(/[\u4e00-\u9fff]/)
    }
  }
})

it('has no Chinese in English, and Chinese punctuation in Chinese', () => {
  for (const key of keys) {
    if (key !== 'lang.switch' && key !== 'lang.label') expect(DICTIONARY.en[key], key).not.toMatch(/[\u4e00-\u9fff]/)
    expect(DICTIONARY.zh[key], key).not.toMatch(/[\u4e00-\u9fff][,:;]/)
  }
})

it('knows a word for every name the wire uses today', () => {
  const wire = {
    reason: ['none', 'out_of_range', 'rate_of_change', 'spike', 'stuck', 'stale', 'sentinel', 'status_bit', 'timeout', 'modbus_exception', 'link_down', 'decode_fault', 'clock_step', 'not_finite', 'desync', 'drift', 'common_mode', 'manual_mismatch', 'inconsistent', 'input_missing', 'out_of_domain'],
    gap: ['power_off', 'device_down', 'spool_full', 'disk_full', 'spool_damaged', 'store_restored', 'overload'],
    kind: ['threshold', 'rate', 'device_down', 'siren_readback', 'link_down', 'spool', 'clock', 'fall', 'camera_health', 'item', 'pond', 'instrument', 'credit_risk', 'procurement_risk', 'treasury_risk', 'legal_risk'],
  } as const
  for (const group of ['reason', 'gap', 'kind'] as const) {
    for (const name of wire[group]) {
      expect(wireWord('zh', group, name)).toMatch(/[\u4e00-\u9fff]/)
      expect(wireWord('en', group, name)).not.toBe('')
    }
  }
  expect(wireWord('zh', 'reason', 'from_the_future')).toBe('from_the_future')
})

it('fills blanks and leaves unknown ones visible', () => {
  expect(translate('zh', 'loss.status', { status: 502 })).toBe('服务器返回 502')
  expect(translate('en', 'loss.status')).toBe('the server answered {status}')
})

it('is Chinese unless the address says English, and keeps the rest of the address', () => {
  expect(langFromSearch('')).toBe('zh')
  expect(langFromSearch('?lang=xx')).toBe('zh')
  expect(langFromSearch('?lang=en')).toBe('en')
  expect(searchWithLang('?a=1&lang=zh', 'en')).toBe('?a=1&lang=en')
})
