/**
 * What people do to alarms and cases: requests, and which steps a state allows.
 *
 * Invariant: every order carries the version its author saw; the server decides, this only offers.
 * Words about them are loaded with their screens (`workWords.ts`).
 */
import { ApiError, BACKGROUND } from './api'
import { parseLevel, type Level } from './levels'

export interface Held {
  how: 'shelved' | 'by_design' | 'out_of_service'
  by: string
  second: string | null
  why: string
  until: string | null
}

export interface Handling {
  isa: string
  process: string
  level: Level
  acked: boolean
  acked_by: string | null
  acked_at: string | null
  silenced: boolean
  kept_back: Held | null
  version: number
  inhibited_by: string | null
  case: string | null
}

export interface AnnunciatorRow {
  gateway: string
  alarm: string
  level: Level
  at: string
  org: string
  domain: string
  handling: Handling | null
}

export interface Case {
  id: string
  state: string
  open: boolean
  revision: number
  level: Level
  domain: string
  org: string
  title: { zh: string; en: string }
  raised_at: string
  due_at: string | null
  overdue: boolean
  escalated: number
  handler: string | null
  acked_by: string | null
  submitted_by: string | null
  verified_by: string | null
  cause: string | null
  measure: string | null
  reason: string | null
}

export interface Step {
  revision: number
  event: string
  from: string
  to: string
  actor: string
  at: string
  detail?: { reason?: string } | null
}

export interface Detail {
  case: Case
  steps: Step[]
  alarms: { gateway: string; alarm: string; level: string; joined_at: string }[]
  calls: { round: number; step: number; target: string; channel: string; called_at: string; answered_at: string | null }[]
  evidence: { sha256: string; kind: string; name: string; bytes: number; actor: string; at: string }[]
}

export interface PendingRequest {
  id: string
  gateway: string
  target: string
  what: { kind?: string; event?: string; reason?: string }
  asked_by: string
}

export type AlarmAct = 'acknowledge' | 'silence' | 'shelve' | 'unshelve' | 'out-of-service' | 'return-to-service' | 'reset'
export type CaseAct =
  | 'acknowledge'
  | 'assign'
  | 'start'
  | 'submit'
  | 'verify'
  | 'reject'
  | 'close'
  | 'false-positive'
  | 'suppress'
  | 'reopen'

/** What may be tried on an alarm in this state; rights are the server's to judge. */
export function alarmActs(handling: Handling | null): AlarmAct[] {
  if (!handling) return []
  const acts: AlarmAct[] = []
  if (!handling.acked) acts.push('acknowledge')
  if (handling.process === 'active' && !handling.silenced) acts.push('silence')
  if (handling.process === 'latched') acts.push('reset')
  const how = handling.kept_back?.how
  if (how === 'shelved') acts.push('unshelve')
  else if (how === 'out_of_service') acts.push('return-to-service')
  else if (!how) acts.push('shelve', 'out-of-service')
  return acts
}

/** The steps a case in this state allows. */
export function caseActs(state: string): CaseAct[] {
  switch (state) {
    case 'raised':
    case 'pushed':
    case 'reopened':
      return ['acknowledge']
    case 'acknowledged':
      return ['assign', 'false-positive', 'suppress']
    case 'assigned':
      return ['start', 'assign', 'false-positive', 'suppress']
    case 'rectifying':
      return ['submit', 'assign', 'false-positive', 'suppress']
    case 'submitted':
      return ['verify', 'reject']
    case 'verified':
      return ['close']
    case 'closed':
    case 'false_positive':
      return ['reopen']
    default:
      return []
  }
}

/** What a step asks for before it is sent. */
export const ASKS: Partial<Record<AlarmAct | CaseAct, readonly ('reason' | 'work_order' | 'hours' | 'to' | 'cause' | 'measure')[]>> = {
  shelve: ['reason', 'hours'],
  'out-of-service': ['work_order', 'reason', 'hours'],
  assign: ['to'],
  submit: ['cause', 'measure'],
  reject: ['reason'],
  'false-positive': ['reason'],
  suppress: ['reason', 'hours'],
  reopen: ['reason'],
}

/** The body of an order: what was seen, and what was filled in. */
export function bodyOf(seen: Record<string, number>, fields: Record<string, string>, now: number): Record<string, unknown> {
  const { hours, ...rest } = fields
  const until = hours === undefined ? {} : { until: new Date(now + Number(hours) * 3_600_000).toISOString() }
  return { ...seen, ...rest, ...until }
}

async function request<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(15_000), headers: BACKGROUND, ...init })
  const body = (await response.json().catch(() => null)) as (T & { error?: { message?: string } }) | null
  if (!response.ok) throw new ApiError(response.status, body?.error?.message ?? `HTTP ${response.status}`)
  return body as T
}

function post<T>(path: string, body: unknown): Promise<T> {
  return request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

export interface Answer {
  now: number | null
  request: string | null
}

/** Rows the console keeps; beyond them a filter is needed. */
export const ROWS_MAX = 10_000

/** Every alarm that stands, worst first, page after page. */
export async function fetchAnnunciator(): Promise<AnnunciatorRow[]> {
  const rows: AnnunciatorRow[] = []
  let after = ''
  do {
    const query = new URLSearchParams({ limit: '1000', ...(after === '' ? {} : { after }) })
    const page = await request<{ next: string | null; rows: AnnunciatorRow[] }>(`/api/v1/annunciator?${query}`)
    rows.push(...page.rows.map((row) => ({ ...row, level: parseLevel(row.level) })))
    after = page.next ?? ''
  } while (after !== '' && rows.length < ROWS_MAX)
  return rows
}

export const fetchCases = async (): Promise<Case[]> => (await request<{ rows: Case[] }>('/api/v1/cases?state=all&limit=100')).rows

export const fetchCase = (id: string): Promise<Detail> => request(`/api/v1/cases/${encodeURIComponent(id)}`)

export const fetchRequests = (): Promise<PendingRequest[]> => request('/api/v1/requests')

export const actOnAlarm = (row: AnnunciatorRow, act: AlarmAct, body: unknown): Promise<Answer> =>
  post(`/api/v1/alarms/${encodeURIComponent(row.gateway)}/${encodeURIComponent(row.alarm)}/${act}`, body)

export const actOnCase = (id: string, act: CaseAct, body: unknown): Promise<Answer> =>
  post(`/api/v1/cases/${encodeURIComponent(id)}/${act}`, body)

export const grant = (id: string): Promise<Answer> => post(`/api/v1/requests/${encodeURIComponent(id)}/grant`, {})

export function addEvidence(id: string, file: File): Promise<Answer> {
  const kind = file.type.startsWith('image/') ? 'photo' : file.type.startsWith('video/') ? 'clip' : 'document'
  const query = new URLSearchParams({ kind, name: file.name.slice(0, 200) })
  return request(`/api/v1/cases/${encodeURIComponent(id)}/evidence?${query}`, {
    method: 'POST',
    headers: { 'content-type': file.type },
    body: file,
  })
}
