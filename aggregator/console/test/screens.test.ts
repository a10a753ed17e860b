import { describe, expect, it } from 'vitest'
import { choose } from '../src/lib/annunciator'
import { evidenceOf, parseTrace, sentenceOf, unitsBelow, within } from '../src/lib/business'
import { boardOf, columnOf } from '../src/lib/board'
import { itemRows, pondLevel } from '../src/lib/dam'
import { fallsOf, reviewSteps } from '../src/lib/falls'
import { missingRows } from '../src/lib/missing'
import type { AlarmView, CaseView, DamView, HistoryView, LedgerView, SampleView, SectionView } from '../src/lib/openapi'
import { boundsOf, graticule, placesOf, project } from '../src/lib/places'
import { parseProof, pointsOf } from '../src/lib/proof'
import { caseInMonth, monthOf, monthRange, totalsOf } from '../src/lib/report'
import { screenOf } from '../src/lib/screen'
import { frameOf, phreaticOf, shoreOf } from '../src/lib/section'
import { cell, columnsOf, csvOf, extent } from '../src/lib/series'
import { OPS } from '../src/lib/words.ops'
import { WORK } from '../src/lib/workWords'

describe('addresses', () => {
  it('name a screen and what of it; an unknown one is the live page', () => {
    expect(screenOf('#/cases/c-000001')).toEqual({ name: 'cases', id: 'c-000001' })
    expect(screenOf('/alarms?level=red')).toEqual({ name: 'alarms', id: null })
    expect(screenOf('#people').name).toBe('people')
    expect(screenOf('#/work').name).toBe('alarms')
    expect(screenOf('#/no-such').name).toBe('live')
    expect(screenOf('#/dams/<script>')).toEqual({ name: 'dams', id: null })
  })
})

describe.each([['ops', OPS], ['work', WORK]] as const)('words of %s', (_, words) => {
  const zh = words.zh as Record<string, string>
  const en = words.en as Record<string, string>
  const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? '').sort()
  it('say everything in both languages with the same blanks, and no Chinese in English', () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort())
    for (const [key, text] of Object.entries(zh)) {
      expect(en[key], key).toBeTruthy()
      expect(holes(en[key] ?? ''), key).toEqual(holes(text))
      expect(en[key], key).not.toMatch(/[\u4e00-\u9fff]/)
      expect(text, key).not.toMatch(/[\u4e00-\u9fff][,:;]/)
    }
  })
})

const sample = (at: number, mean: number | null, quality = 'good', n = 1): SampleView => ({ at: new Date(at * 1000).toISOString(), min: mean, max: mean, mean, last: mean, n, quality })
const history = (samples: SampleView[], bucket_ms = 0): HistoryView => ({ gateway: 'gw', point: 'p', unit: 'm', bucket_ms, raw: bucket_ms === 0, samples })

describe('a history as a chart', () => {
  it('has a hole where a value is bad, and says the stretch is doubtful', () => {
    const columns = columnsOf(history([sample(0, 1), sample(1, null, 'bad'), sample(2, null, 'bad'), sample(3, 2)]))
    expect(columns.mean).toEqual([1, null, null, 2])
    expect(columns.doubtful).toEqual([{ from: 1, to: 2, quality: 'bad' }])
  })
  it('has a hole where nothing was measured', () => {
    expect(columnsOf(history([sample(0, 1), sample(100, 2)], 10_000)).mean).toEqual([1, null, 2])
  })
  it('knows the extent of what there is', () => {
    expect(extent([null, 3, -1], [7])).toEqual([-1, 7])
    expect(extent([null])).toBeNull()
  })
})

describe('a CSV', () => {
  it.each(['=1+1', '+cmd', '-2', '@SUM(A1)', '\t=1', '＝1'])('never begins a cell with %j', (text) => {
    expect(cell(text).replace(/^"/, '')).toMatch(/^'/)
  })
  it('keeps negative numbers numbers, and quotes what needs it', () => {
    expect(cell(-2.5)).toBe('-2.5')
    expect(cell('a,"b"')).toBe('"a,""b"""')
    expect(cell(null)).toBe('')
    expect(cell(NaN)).toBe('')
  })
  it('has a head, a row per sample and the byte-order mark', () => {
    const text = csvOf([{ gateway: 'gw', name: '=evil', history: history([sample(0, 1.5), sample(1, null, 'bad')]) }], ['a', 'b'])
    const lines = text.split('\r\n')
    expect(text.startsWith('\ufeff')).toBe(true)
    expect(lines.length).toBe(4)
    expect(lines[1]).toBe("gw,p,'=evil,1970-01-01T00:00:00.000Z,1.5,1.5,1.5,1,m,good")
    expect(lines[2]).toContain(',,,,1,m,bad')
  })
})

const section: SectionView = { id: 'main', name: { zh: '主', en: 'main' }, base_m: 95, surface: [[-60, 120], [0, 125], [100, 100]], piezometers: [] }
describe('a section', () => {
  it('draws doubtful stretches apart and nothing through a missing head', () => {
    const frame = frameOf(section, [125], 900, 300)
    const line = phreaticOf(frame, [{ x: 0, level: 110, trusted: true }, { x: 20, level: null, trusted: false }, { x: 40, level: 105, trusted: true }, { x: 60, level: 102, trusted: false }])
    expect(line.sure.match(/M/g)?.length).toBe(1)
    expect(line.doubtful.match(/M/g)?.length).toBe(1)
    expect(frame.y(125)).toBeLessThan(frame.y(95))
  })
  it('finds the shore on the beach only', () => {
    expect(shoreOf([[-60, 120], [0, 125], [100, 100]], 122.5)).toBeCloseTo(-30)
    expect(shoreOf([[-60, 120], [0, 125], [100, 100]], 119)).toBeNull()
  })
})

it('shows the level the site decided for an item, and how many points cannot be judged', () => {
  const dam: DamView = { id: 'd', name: { zh: '', en: '' }, class: 4, crest_m: 1, design_flood_level_m: null, utc_offset_h: 8, sections: [], items: [{ id: 'ph', kind: 'phreatic', name: { zh: '浸润线', en: 'phreatic' }, points: ['a', 'b'] }] }
  const alarms = new Map([['gw/ph.item', { level: 'yellow' }]]) as never
  const rows = itemRows('gw', dam, alarms, new Map([['gw/a', 'blue']]), (point) => point === 'a')
  expect(rows[0]).toMatchObject({ level: 'yellow', unknown: 1, points: 2, counts: { blue: 1, red: 0 } })
  expect(pondLevel('gw', dam, new Map() as never, rows)).toBe('yellow')
})

it('reads a proof of its version only, and lists its points once', () => {
  const root = { kind: 'pond', id: 'd', level: 'red', children: [{ kind: 'item', id: 'i', level: 'red', children: [{ kind: 'point', id: 'p', level: 'red' }, { kind: 'point', id: 'p', level: 'red' }] }] }
  expect(pointsOf(parseProof({ version: 1, root })!.root)).toEqual(['p'])
  expect(parseProof({ version: 2, root })).toBeNull()
  expect(parseProof(null)).toBeNull()
})

describe('cases', () => {
  it('stand where they wait, an unknown state among those to confirm', () => {
    expect(['pushed', 'rectifying', 'submitted', 'closed', 'new-state'].map(columnOf)).toEqual(['verify', 'handle', 'review', 'closed', 'verify'])
  })
  it('are overdue first, then worst, then oldest', () => {
    const one = (id: string, level: string, overdue: boolean, raised_at: string): CaseView => ({ id, level, overdue, raised_at, state: 'pushed' }) as CaseView
    const board = boardOf([one('a', 'red', false, '2'), one('b', 'blue', true, '3'), one('c', 'red', false, '1')])
    expect(board.verify.map((it) => it.id)).toEqual(['b', 'c', 'a'])
  })
})

it('reviews a fall by steps its case allows', () => {
  expect(reviewSteps('pushed', 'drill', '演练').map((step) => step.act)).toEqual(['acknowledge', 'false-positive'])
  expect(reviewSteps('rectifying', 'false', '误报')).toEqual([{ act: 'false-positive', body: { reason: '误报' } }])
  expect(reviewSteps('acknowledged', 'true', '')).toEqual([])
  expect(reviewSteps('closed', 'false', 'x')).toEqual([])
})

it('counts a fall when the level rises, newest first', () => {
  const step = (revision: number, from_level: string, level: string, at: string): AlarmView => ({ revision, from_level, level, at }) as AlarmView
  expect(fallsOf([step(1, 'normal', 'orange', '1'), step(2, 'orange', 'normal', '2'), step(3, 'normal', 'red', '3')]).map((s) => s.revision)).toEqual([3, 1])
})

it('lists every hole of a ledger, those without an explanation first', () => {
  const ledger = { gateway: 'gw', streams: [{ epoch: 7, lane: 'routine', expected: 10, received: 5, missing: [[5, 8]], explained: [{ from: 2, to: 4, reason: 'spool_full' }], unexplained: 3, closed: false }], gaps: [{ gateway: 'gw', reason: 'device_down', subject: 'pz', from: '1', to: '2', count: 9, epoch: 1, seq: 1 }], as_of: null, complete: false, why_not: [] } as LedgerView
  const rows = missingRows([ledger])
  expect(rows.map((row) => row.reason)).toEqual([null, 'device_down', 'spool_full'])
  expect(rows[0]?.numbers).toEqual({ from: 5, to: 7, lane: 'routine', epoch: 7 })
})

describe('the map', () => {
  it('places only sites with coordinates, and a site nobody has heard is silent', () => {
    const sites = [{ gateway: 'a', location: { longitude: 117, latitude: 30 }, dam: null, cameras: [] }, { gateway: 'b', location: null, dam: null, cameras: [] }]
    expect(placesOf(sites, new Map(), [{ gateway: 'a', level: 'orange' }] as never)).toEqual([{ gateway: 'a', longitude: 117, latitude: 30, level: 'orange', link: 'silent' }])
  })
  it('has room around one site, some lines, and north above', () => {
    const bounds = boundsOf([{ longitude: 117, latitude: 30 }])
    expect(bounds.east - bounds.west).toBeGreaterThan(0.09)
    expect(graticule(bounds).longitudes.length).toBeGreaterThanOrEqual(4)
    const at = project(bounds, 960, 520)
    expect(at(117, 30.04).y).toBeLessThan(at(117, 30).y)
    expect(at(117.04, 30).x).toBeGreaterThan(at(117, 30).x)
  })
})

describe('a report', () => {
  it("is of the dam's own month", () => {
    expect(monthOf(Date.parse('2026-10-31T17:00:00Z'), 8)).toBe('2026-11')
    const span = monthRange('2026-12', 8)
    expect(new Date(span.from).toISOString()).toBe('2026-11-30T16:00:00.000Z')
    expect(new Date(span.to).toISOString()).toBe('2026-12-31T16:00:00.000Z')
  })
  it('weighs means by their values and counts bad ones without using them', () => {
    expect(totalsOf([sample(0, 1, 'good', 3), sample(1, 5, 'good', 1), sample(2, null, 'bad', 2)])).toEqual({ min: 1, mean: 2, max: 5, n: 6 })
    expect(totalsOf([])).toEqual({ min: null, mean: null, max: null, n: 0 })
  })
  it('has cases raised in it or open in it', () => {
    const span = monthRange('2026-11', 8)
    const one = (raised_at: string, closed_at: string | null): boolean => caseInMonth({ raised_at, closed_at } as CaseView, span)
    expect(one('2026-09-01T00:00:00Z', null)).toBe(true)
    expect(one('2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z')).toBe(false)
    expect(one('2026-12-02T00:00:00Z', null)).toBe(false)
  })
})

describe('business warnings', () => {
  const row = (alarm: string, org: string, level: string, domain = 'procurement') => ({ gateway: 'risk-1', alarm, level, at: '1', org, domain, handling: null }) as never
  const rows = [row('p01.a', 'group/copper/mine-1', 'red'), row('p01.b', 'group/copper/mine-2', 'blue'), row('c02.c', 'group/trade', 'yellow', 'credit')]
  it('are drilled from the group to the unit', () => {
    expect(unitsBelow(rows, '').map((unit) => [unit.org, unit.total, unit.worst])).toEqual([['group', 3, 'red']])
    expect(unitsBelow(rows, 'group').map((unit) => unit.org)).toEqual(['group/copper', 'group/trade'])
    expect(unitsBelow(rows, 'group/copper/mine-1')).toEqual([])
    expect(rows.filter((one) => within(one, 'group/cop'))).toEqual([])
  })
  it('stay out of the alarms to handle until their domain is asked for', () => {
    expect(choose(rows, {}, () => '')).toEqual([])
    expect(choose(rows, { domain: 'credit' }, () => '').length).toBe(1)
  })
  it('say their sentence in the language of the page', () => {
    expect(sentenceOf('中标人与采购人同址 | winner shares an address', 'zh')).toBe('中标人与采购人同址')
    expect(sentenceOf('中标人与采购人同址 | winner shares an address', 'en')).toBe('winner shares an address')
    expect(sentenceOf('no bar', 'zh')).toBe('no bar')
  })
  it('lead to the records their rule saw, each once', () => {
    const seen = { kind: 'tender', key: 'T-7', known_at_us: 1 }
    const trace = parseTrace({ of: 'and', value: 'true', from: [{ of: 'count', value: '3', rows: [seen, seen] }, { of: 'x', value: '?', rows: [seen] }] })
    expect(trace && evidenceOf(trace)).toEqual([{ kind: 'tender', key: 'T-7' }])
    expect(parseTrace({ version: 1, root: {} })).toBeNull()
  })
})
