/**
 * What the live page knows, and how each event changes it. Pure: no clock, no network.
 *
 * Invariants: the highest revision of an alarm is its state, in whatever order transitions come;
 * an older value never replaces a newer one; every collection is bounded.
 * Deliberately absent: judgement of levels. The site decides, the console shows.
 */
import {
  parseAlarm,
  parsePoint,
  parseQuality,
  type Alarm,
  type Gateway,
  type Link,
  type Point,
  type Snapshot,
  type System,
  type Values,
} from './api'
import { worst, type Level } from './levels'
import { appendSample, mergeHistory, type Sample } from './spark'

/** Rows the page keeps; a larger installation needs the (later) filtered screens. */
export const POINTS_MAX = 2_000
export const ALARMS_MAX = 1_000
/** Revisions of returned alarms, so that a late transition cannot bring one back. */
export const RETURNED_MAX = 2_000

export interface Model {
  /** Whether any complete picture has arrived; before that, "no alarms" would be a guess. */
  loaded: boolean
  gateways: Map<string, Gateway>
  points: Map<string, Point>
  alarms: Map<string, Alarm>
  returned: Map<string, number>
  trails: Map<string, Sample[]>
  system: System | null
  /** Points that did not fit `POINTS_MAX`. */
  capped: number
  /** Messages that could not be read. */
  malformed: number
  /** Something unknown was named: the lists must be fetched again. */
  unknown: boolean
  /** Rises with every `gap` event, so that the ledger is asked again. */
  gaps: number
  /** Server time minus local time at the last message that told. */
  skewMs: number
}

export function emptyModel(): Model {
  return {
    loaded: false,
    gateways: new Map(),
    points: new Map(),
    alarms: new Map(),
    returned: new Map(),
    trails: new Map(),
    system: null,
    capped: 0,
    malformed: 0,
    unknown: false,
    gaps: 0,
    skewMs: 0,
  }
}

export const keyOf = (gateway: string, id: string): string => `${gateway}/${id}`

/** One message as it came, with the local time of its arrival. */
export interface Arrival {
  event: string
  data: string
  local: number
}

/** Which events touch which collections: what a burst does not touch stays the same object, and nothing drawn from it is drawn again. */
const TOUCHED_BY = {
  gateways: ['snapshot', 'values', 'link'],
  points: ['snapshot', 'values'],
  alarms: ['snapshot', 'alarm'],
  returned: ['snapshot', 'alarm'],
  trails: ['snapshot', 'values'],
} as const

/** Applies a burst of messages to a copy; a collection is copied once per burst, and only when it is touched. */
export function applyAll(before: Model, arrivals: readonly Arrival[]): Model {
  const events = new Set(arrivals.map((arrival) => arrival.event))
  const own = <K, V>(name: keyof typeof TOUCHED_BY, map: Map<K, V>): Map<K, V> => (TOUCHED_BY[name].some((event) => events.has(event)) ? new Map(map) : map)
  const model: Model = {
    ...before,
    gateways: own('gateways', before.gateways),
    points: own('points', before.points),
    alarms: own('alarms', before.alarms),
    returned: own('returned', before.returned),
    trails: own('trails', before.trails),
  }
  for (const arrival of arrivals) {
    try {
      apply(model, arrival.event, JSON.parse(arrival.data), arrival.local)
    } catch {
      model.malformed += 1
    }
  }
  return model
}

function apply(model: Model, event: string, payload: unknown, local: number): void {
  switch (event) {
    case 'snapshot':
      return applySnapshot(model, payload as Snapshot, local)
    case 'values':
      return applyValues(model, payload as Values, local)
    case 'alarm':
      return applyAlarm(model, payload as Alarm)
    case 'link':
      return applyLink(model, payload as { gateway: string; link: Link & { backlog?: number }; backlog?: number })
    case 'gap':
      model.gaps += 1
      return
    case 'system':
      model.system = payload as System
      return setClock(model, (payload as System).now, local)
    case 'heartbeat':
      return setClock(model, (payload as { now: string }).now, local)
    default:
      // An event of a newer server: ignored, additive within v1.
      return
  }
}

function setClock(model: Model, now: string | undefined, local: number): void {
  const server = now ? Date.parse(now) : NaN
  if (!Number.isNaN(server)) model.skewMs = server - local
}

/** A complete picture replaces everything but the trails of points that still exist. */
export function applySnapshot(model: Model, snapshot: Snapshot, local: number): void {
  model.gateways = new Map(snapshot.gateways.map((g) => [g.gateway, g]))
  const points = snapshot.points.slice(0, POINTS_MAX).map(parsePoint)
  model.capped = Math.max(0, snapshot.points.length - POINTS_MAX)
  model.points = new Map(points.map((p) => [keyOf(p.gateway, p.point), p]))
  model.alarms = new Map()
  model.returned = new Map()
  for (const alarm of snapshot.alarms) applyAlarm(model, alarm)
  model.trails = new Map([...model.trails].filter(([key]) => model.points.has(key)))
  for (const [key, point] of model.points) pushSample(model, key, point)
  model.system = snapshot.system
  setClock(model, snapshot.system?.now, local)
  model.loaded = true
  model.unknown = false
}

function applyValues(model: Model, { gateway, values }: Values, local: number): void {
  touchGateway(model, gateway, values, local)
  for (const value of values) {
    const key = keyOf(gateway, value.point)
    const point = model.points.get(key)
    if (!point) {
      if (model.capped === 0) model.unknown = true
      continue
    }
    if (point.latest && Date.parse(value.at) < Date.parse(point.latest.at)) continue
    const latest = {
      at: value.at,
      ingested_at: null,
      value: value.value,
      quality: parseQuality(value.quality),
      reason: value.reason,
      stale: false,
    }
    const next = { ...point, latest }
    model.points.set(key, next)
    pushSample(model, key, next)
  }
}

/** Values are a sign of life; their newest source time is the gateway's newest data. */
function touchGateway(model: Model, id: string, values: Values['values'], local: number): void {
  const gateway = model.gateways.get(id)
  if (!gateway) return
  let latest = gateway.latest_at
  for (const { at } of values) if (latest === null || Date.parse(at) > Date.parse(latest)) latest = at
  const heard = new Date(local + model.skewMs).toISOString()
  model.gateways.set(id, { ...gateway, latest_at: latest, link: { ...gateway.link, last_heard_at: heard } })
}

function pushSample(model: Model, key: string, point: Point): void {
  if (!point.latest) return
  const sample = { t: Date.parse(point.latest.at), v: point.latest.quality === 'bad' ? null : point.latest.value }
  if (Number.isNaN(sample.t)) return
  model.trails.set(key, appendSample(model.trails.get(key) ?? [], sample))
}

function applyAlarm(model: Model, raw: Alarm): void {
  const alarm = parseAlarm(raw)
  const key = keyOf(alarm.gateway, alarm.alarm)
  const known = model.alarms.get(key)?.revision ?? model.returned.get(key) ?? -1
  if (alarm.revision < known) return
  if (alarm.level === 'normal') {
    model.alarms.delete(key)
    model.returned.set(key, alarm.revision)
    dropOldest(model.returned, RETURNED_MAX)
    return
  }
  model.returned.delete(key)
  if (!model.alarms.has(key) && model.alarms.size >= ALARMS_MAX) dropMildest(model.alarms)
  model.alarms.set(key, alarm)
}

function applyLink(model: Model, payload: { gateway: string; link: Link & { backlog?: number }; backlog?: number }): void {
  const gateway = model.gateways.get(payload.gateway)
  if (!gateway) {
    model.unknown = true
    return
  }
  const backlog = payload.backlog ?? payload.link.backlog ?? gateway.backlog
  const lost = gateway.link.state === 'online' && payload.link.state !== 'online' ? 1 : 0
  model.gateways.set(payload.gateway, {
    ...gateway,
    link: payload.link,
    backlog,
    link_losses: gateway.link_losses === null ? null : gateway.link_losses + lost,
  })
}

function dropOldest<V>(map: Map<string, V>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}

/** At the bound the mildest alarm makes room: red stays visible in a flood. */
function dropMildest(alarms: Map<string, Alarm>): void {
  const order: Level[] = ['blue', 'yellow', 'orange', 'red']
  for (const level of order) {
    for (const [key, alarm] of alarms) {
      if (alarm.level === level) {
        alarms.delete(key)
        return
      }
    }
  }
}

/**
 * Lists fetched beside the stream (a new gateway appeared). The stream is ahead of them, so once
 * a picture exists they only add: alarms stay the stream's, a newer value stays.
 */
export function withLists(before: Model, lists: Snapshot, local: number): Model {
  const model = applyAll(before, [])
  if (!before.loaded) {
    applySnapshot(model, lists, local)
    for (const alarm of before.alarms.values()) applyAlarm(model, alarm)
    return model
  }
  applySnapshot(model, { ...lists, alarms: [] }, local)
  model.alarms = new Map(before.alarms)
  model.returned = new Map(before.returned)
  for (const [key, point] of model.points) {
    const known = before.points.get(key)?.latest
    if (known && (!point.latest || Date.parse(known.at) > Date.parse(point.latest.at))) {
      model.points.set(key, { ...point, latest: known })
    }
  }
  return model
}

/** Gateways polled beside the stream: backlog and losses move without an event of their own. */
export function withGateways(before: Model, gateways: readonly Gateway[]): Model {
  return before.loaded ? { ...before, gateways: new Map(gateways.map((g) => [g.gateway, g])) } : before
}

/** History fetched for one point, put in front of its live trail. */
export function withHistory(before: Model, key: string, history: readonly Sample[]): Model {
  const trails = new Map(before.trails)
  trails.set(key, mergeHistory(history, before.trails.get(key) ?? []))
  return { ...before, trails }
}

/** How far the newest value of a point may be believed right now. */
export type Trust = 'good' | 'uncertain' | 'bad' | 'stale' | 'none' | 'offline' | 'frozen'

/** Where the way from the instrument to this page is broken, if anywhere. */
export type Cut = 'nowhere' | 'site' | 'console'

export function cutOf(gateway: Gateway | undefined, consoleLost: boolean): Cut {
  if (consoleLost) return 'console'
  return gateway?.link.state === 'online' ? 'nowhere' : 'site'
}

/** The server's own rule: three times the longest normal silence, and room for transport. */
const STALE_GRACE_MS = 5_000
/** Longest normal silence of a point whose catalogue has not come yet. */
const SILENCE_UNKNOWN_MS = 60_000

function silenceMax(point: Point): number {
  const known = point.period_ms !== null || point.keep_alive_ms !== null
  const longest = known ? Math.max(point.period_ms ?? 0, point.keep_alive_ms ?? 0) : SILENCE_UNKNOWN_MS
  return 3 * longest + STALE_GRACE_MS
}

/** Behind a cut even a fresh, good value is only a memory. */
export function trustOf(point: Point, serverNow: number, cut: Cut): Trust {
  const { latest } = point
  if (!latest) return 'none'
  if (latest.quality === 'bad') return 'bad'
  if (latest.stale || serverNow - Date.parse(latest.at) > silenceMax(point)) return 'stale'
  if (cut === 'console') return 'frozen'
  if (cut === 'site') return 'offline'
  return latest.quality
}

/** Worst active level of every point. */
export function levelsByPoint(alarms: Iterable<Alarm>): Map<string, Level> {
  const levels = new Map<string, Level>()
  for (const alarm of alarms) {
    if (alarm.point === null || alarm.point === undefined) continue
    const key = keyOf(alarm.gateway, alarm.point)
    levels.set(key, worst([levels.get(key) ?? 'normal', alarm.level]))
  }
  return levels
}

/** Alarms to speak: red and orange that were not active, or not that bad, before. */
export function toAnnounce(spoken: ReadonlyMap<string, Level>, alarms: ReadonlyMap<string, Alarm>): Alarm[] {
  return [...alarms].flatMap(([key, alarm]) => {
    if (alarm.level !== 'red' && alarm.level !== 'orange') return []
    const before = spoken.get(key)
    return before === undefined || worst([before, alarm.level]) !== before ? [alarm] : []
  })
}
