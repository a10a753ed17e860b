import { describe, expect, it } from 'vitest'
import type { Alarm, Point, Snapshot } from '../src/lib/api'
import { ALARMS_MAX, applyAll, emptyModel, levelsByPoint, toAnnounce, cutOf, trustOf, withHistory, withLists, type Cut, type Model } from '../src/lib/model'

const T0 = Date.parse('2026-11-23T01:00:00.000Z')
const iso = (ms: number): string => new Date(T0 + ms).toISOString()

const POINT: Point = {
  gateway: 'gw', point: 'pz.level', device: 'pz', name: { zh: '孔', en: 'hole' }, unit: 'm', period_ms: 1000, keep_alive_ms: 10_000, high: {}, low: {},
  latest: { at: iso(0), ingested_at: null, value: 1, quality: 'good', reason: 'none', stale: false },
}
const alarm = (id: string, level: string, revision: number): Alarm =>
  ({ gateway: 'gw', alarm: id, kind: 'threshold', point: 'pz.level', level, from_level: 'normal', revision, since: iso(0), at: iso(0), value: 1, limit: 2, unit: 'm', rule: 'r', why: 'w', name: null }) as Alarm
const SNAPSHOT = {
  gateways: [{ gateway: 'gw', site: null, link: { state: 'online', since: iso(0), last_heard_at: iso(0) }, software: null, config: null, started_at: null, backlog: 0, link_losses: 0, latest_at: null }],
  points: [POINT],
  alarms: [alarm('a', 'red', 2)],
  system: { now: iso(0), store: { ok: true }, broker: { connected: true } },
} as unknown as Snapshot

const feed = (model: Model, ...events: [string, unknown][]): Model =>
  applyAll(model, events.map(([event, data]) => ({ event, data: JSON.stringify(data), local: T0 + 500 })))
const loaded = (): Model => feed(emptyModel(), ['snapshot', SNAPSHOT])
const values = (at: number, value: number | null, quality = 'good') => ({ gateway: 'gw', values: [{ point: 'pz.level', at: iso(at), value, quality, reason: 'none' }] })

describe('events', () => {
  it('build the picture from a snapshot and learn the server clock', () => {
    const model = loaded()
    expect(model.loaded).toBe(true)
    expect([...model.alarms.keys()]).toEqual(['gw/a'])
    expect(model.skewMs).toBe(-500)
  })

  it('never replace a newer value by an older one', () => {
    const model = feed(loaded(), ['values', values(2000, 5)], ['values', values(1000, 4)])
    expect(model.points.get('gw/pz.level')?.latest?.value).toBe(5)
    expect(model.trails.get('gw/pz.level')).toEqual([{ t: T0, v: 1 }, { t: T0 + 2000, v: 5 }])
  })

  it('count values as a sign of life of their gateway', () => {
    const gateway = feed(loaded(), ['values', values(2000, 5)], ['values', values(1000, 4)]).gateways.get('gw')
    expect(gateway?.latest_at).toBe(iso(2000))
    expect(gateway?.link.last_heard_at).toBe(iso(0))
  })

  it('take an unknown quality as bad', () => {
    const model = feed(loaded(), ['values', values(1000, 4, 'splendid')])
    expect(model.points.get('gw/pz.level')?.latest?.quality).toBe('bad')
  })

  it('let the highest revision of an alarm win, in any order', () => {
    const steps: [string, unknown][] = [['alarm', alarm('b', 'yellow', 1)], ['alarm', alarm('b', 'red', 2)], ['alarm', alarm('b', 'normal', 3)]]
    for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]]) {
      const model = feed(loaded(), ...order.map((i) => steps[i] as [string, unknown]))
      expect(model.alarms.has('gw/b'), order.join()).toBe(false)
    }
    const again = feed(loaded(), ...steps, ['alarm', alarm('b', 'orange', 4)])
    expect(again.alarms.get('gw/b')?.level).toBe('orange')
  })

  it('keep red when a flood fills the list', () => {
    let model = loaded()
    for (let i = 0; i < ALARMS_MAX + 50; i += 1) model = feed(model, ['alarm', alarm(`f${i}`, 'blue', 1)])
    expect(model.alarms.size).toBe(ALARMS_MAX)
    expect(model.alarms.get('gw/a')?.level).toBe('red')
  })

  it('change the link and count a loss once', () => {
    const link = (state: string) => ({ gateway: 'gw', link: { state, since: iso(1), last_heard_at: iso(1) }, backlog: 7 })
    const model = feed(loaded(), ['link', link('silent')], ['link', link('offline')])
    expect(model.gateways.get('gw')).toMatchObject({ link: { state: 'offline' }, backlog: 7, link_losses: 1 })
  })

  it('are counted when unreadable, ignored when new, and never break the rest', () => {
    const model = applyAll(loaded(), [
      { event: 'values', data: '{', local: 0 },
      { event: 'of_the_future', data: '{}', local: 0 },
      { event: 'values', data: JSON.stringify(values(1000, 9)), local: 0 },
    ])
    expect(model.malformed).toBe(1)
    expect(model.points.get('gw/pz.level')?.latest?.value).toBe(9)
  })

  it('ask for the lists when something unknown is named', () => {
    const stranger = { gateway: 'new', values: [{ point: 'x', at: iso(0), value: 1, quality: 'good', reason: 'none' }] }
    expect(feed(loaded(), ['values', stranger]).unknown).toBe(true)
  })

  it('leave the model before untouched', () => {
    const before = loaded()
    feed(before, ['values', values(2000, 5)], ['alarm', alarm('a', 'normal', 9)])
    expect(before.alarms.has('gw/a')).toBe(true)
    expect(before.points.get('gw/pz.level')?.latest?.value).toBe(1)
  })

  it('leave what they do not touch the same object, and what they touch a copy', () => {
    const link = { gateway: 'gw', link: { state: 'offline', since: iso(0), last_heard_at: iso(0) } }
    const touched: [[string, unknown], string[]][] = [
      [['values', values(2000, 5)], ['gateways', 'points', 'trails']],
      [['alarm', alarm('b', 'blue', 1)], ['alarms', 'returned']],
      [['link', link], ['gateways']],
      [['heartbeat', { now: iso(0) }], []],
      [['snapshot', SNAPSHOT], ['gateways', 'points', 'alarms', 'returned', 'trails']],
    ]
    for (const [event, names] of touched) {
      const before = loaded()
      const frozen = structuredClone(before)
      const after = feed(before, event)
      expect(before, event[0]).toEqual(frozen)
      for (const name of ['gateways', 'points', 'alarms', 'returned', 'trails'] as const) expect(after[name] === before[name], `${event[0]} ${name}`).toBe(!names.includes(name))
    }
  })
})

it('lists fetched beside the stream add, and never undo what the stream said', () => {
  const ahead = feed(loaded(), ['values', values(3000, 8)], ['alarm', alarm('a', 'normal', 3)])
  const merged = withLists(ahead, SNAPSHOT, T0)
  expect(merged.points.get('gw/pz.level')?.latest?.value).toBe(8)
  expect(merged.alarms.has('gw/a')).toBe(false)
})

it('history goes in front of the live trail', () => {
  const model = withHistory(loaded(), 'gw/pz.level', [{ t: T0 - 1000, v: 0 }])
  expect(model.trails.get('gw/pz.level')).toEqual([{ t: T0 - 1000, v: 0 }, { t: T0, v: 1 }])
})

describe('trust', () => {
  const of = (change: object | null, now = 0, cut: Cut = 'nowhere') =>
    trustOf({ ...POINT, latest: change === null || POINT.latest === null ? null : { ...POINT.latest, ...change } }, T0 + now, cut)

  it('is good only for a fresh, good value over a live link', () => {
    expect(of({})).toBe('good')
    expect(of(null)).toBe('none')
    expect(of({ quality: 'bad' })).toBe('bad')
    expect(of({ quality: 'uncertain' })).toBe('uncertain')
    expect(of({ stale: true })).toBe('stale')
    expect(of({}, 35_000)).toBe('good')
    expect(of({}, 35_001)).toBe('stale')
    expect(of({}, 0, 'console')).toBe('frozen')
    expect(of({}, 0, 'site')).toBe('offline')
    expect(of({ quality: 'uncertain' }, 0, 'console')).toBe('frozen')
    expect(of({ quality: 'bad' }, 99_000, 'console')).toBe('bad')
  })
})

it('a site that is silent or offline cuts its values off, and a lost console cuts everything', () => {
  const gateway = loaded().gateways.get('gw')
  const withState = (state: 'online' | 'offline' | 'silent') => gateway && { ...gateway, link: { ...gateway.link, state } }
  expect(cutOf(withState('online'), false)).toBe('nowhere')
  expect(cutOf(withState('silent'), false)).toBe('site')
  expect(cutOf(withState('offline'), false)).toBe('site')
  expect(cutOf(undefined, false)).toBe('site')
  expect(cutOf(withState('online'), true)).toBe('console')
})

it('a point without a catalogue goes stale too', () => {
  const bare = { ...POINT, period_ms: null, keep_alive_ms: null }
  expect(trustOf(bare, T0 + 185_000, 'nowhere')).toBe('good')
  expect(trustOf(bare, T0 + 185_001, 'nowhere')).toBe('stale')
})

it('a point has the worst level of its alarms', () => {
  expect(levelsByPoint([alarm('a', 'yellow', 1), alarm('b', 'red', 1), alarm('c', 'blue', 1)]).get('gw/pz.level')).toBe('red')
})

it('speaks red and orange that are new or worse, and nothing twice', () => {
  const alarms = new Map([['r', alarm('r', 'red', 1)], ['o', alarm('o', 'orange', 1)], ['b', alarm('b', 'blue', 1)]])
  expect(toAnnounce(new Map(), alarms).map((a) => a.alarm)).toEqual(['r', 'o'])
  expect(toAnnounce(new Map([['r', 'red'], ['o', 'red']]), alarms)).toEqual([])
  expect(toAnnounce(new Map([['r', 'orange'], ['o', 'orange']]), alarms).map((a) => a.alarm)).toEqual(['r'])
})
