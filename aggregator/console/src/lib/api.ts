/**
 * The aggregator's HTTP interface as this console uses it (`docs/http-api.md`).
 *
 * Invariant: what enters is narrowed here; an unknown level or quality becomes the cautious one.
 * Deliberately absent: actions (`work.ts`), people and sessions (`people.ts`), loaded with their screens.
 */
import { parseLevel, type Level } from './levels'

export type Quality = 'good' | 'uncertain' | 'bad'
export type Lane = 'alarm' | 'routine'
/** Empty or absent until the site has sent its catalogue. */
export interface Text {
  zh: string | null
  en: string | null
}

export interface Link {
  state: 'online' | 'offline' | 'silent'
  since: string | null
  last_heard_at: string | null
}

export interface Gateway {
  gateway: string
  site: (Text & { path: { group: string; company: string; mine: string; facility: string } | null }) | null
  link: Link
  software: string | null
  config: string | null
  started_at: string | null
  backlog: number | null
  link_losses: number | null
  latest_at: string | null
}

export type Limits = Partial<Record<'blue' | 'yellow' | 'orange' | 'red', number | null>>

export interface Latest {
  at: string
  ingested_at: string | null
  value: number | null
  quality: Quality
  reason: string | null
  stale: boolean
}

export interface Point {
  gateway: string
  point: string
  device: string | null
  name: Text | null
  unit: string
  period_ms: number | null
  keep_alive_ms: number | null
  high: Limits
  low: Limits
  latest: Latest | null
}

export interface Alarm {
  gateway: string
  alarm: string
  kind: string
  point: string | null
  level: Level
  from_level: Level
  revision: number
  since: string
  at: string
  value: number | null
  limit: number | null
  unit: string | null
  rule: string
  why: string
  name: Text | null
}

export interface System {
  instance: string
  software: string
  store: { kind: string; ok: boolean; error: string | null }
  broker: { url: string; embedded: boolean; connected: boolean }
  disk_free_mb: number | null
  started_at: string
  now: string
}

export interface LedgerStream {
  epoch: string | number
  lane: Lane
  expected: number
  received: number
  missing: [number, number][]
  explained: { from: number; to: number; reason: string }[]
  unexplained: number
  closed: boolean
}

export interface Gap {
  reason: string
  subject: string
  from: string
  to: string
  count: number
  epoch: string | number | null
  seq: unknown
}

export interface Ledger {
  gateway: string
  streams: LedgerStream[]
  gaps: Gap[]
  complete: boolean
}

export interface Bucket {
  at: string
  last: number | null
  quality: Quality
}

export interface Values {
  gateway: string
  values: { point: string; at: string; value: number | null; quality: Quality; reason: string | null }[]
}

export interface Snapshot {
  gateways: Gateway[]
  points: Point[]
  alarms: Alarm[]
  system: System
}

export function parseQuality(text: unknown): Quality {
  return text === 'good' || text === 'uncertain' ? text : 'bad'
}

export function parseAlarm(raw: Alarm): Alarm {
  return { ...raw, level: parseLevel(raw.level), from_level: parseLevel(raw.from_level) }
}

export function parsePoint(raw: Point): Point {
  const latest = raw.latest ? { ...raw.latest, quality: parseQuality(raw.latest.quality) } : null
  return { ...raw, unit: raw.unit ?? '', high: raw.high ?? {}, low: raw.low ?? {}, latest }
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** The server's word for it, for example `wrong`. */
    readonly code = 'other',
  ) {
    super(message)
  }
}

export const TIMEOUT_MS = 10_000
/** What the page asks by itself is no sign of life of a person. */
export const BACKGROUND = { 'x-minewatch-background': '1' }

async function get<T>(path: string): Promise<T> {
  const response = await fetch(path, {
    headers: { accept: 'application/json', ...BACKGROUND },
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) {
    const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null
    throw new ApiError(response.status, body?.error?.message ?? `HTTP ${response.status}`)
  }
  return (await response.json()) as T
}

export function fetchLedger(): Promise<Ledger[]> {
  return get('/api/v1/ledger')
}

export function fetchGateways(): Promise<Gateway[]> {
  return get('/api/v1/gateways')
}

export async function fetchSnapshot(): Promise<Snapshot> {
  const [gateways, points, alarms, system] = await Promise.all([
    get<Gateway[]>('/api/v1/gateways'),
    get<Point[]>('/api/v1/points'),
    get<Alarm[]>('/api/v1/alarms?state=active'),
    get<System>('/api/v1/system'),
  ])
  return { gateways, points, alarms, system }
}

export async function fetchHistory(
  gateway: string,
  point: string,
  fromMs: number,
  toMs: number,
  maxPoints: number,
): Promise<Bucket[]> {
  const query = new URLSearchParams({
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    max_points: String(maxPoints),
  })
  const path = `/api/v1/points/${encodeURIComponent(gateway)}/${encodeURIComponent(point)}/history?${query}`
  return (await get<{ samples: Bucket[] }>(path)).samples
}
