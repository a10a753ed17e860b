/** People, sessions and audit over HTTP (`docs/http-api.md`). */
import { ApiError, TIMEOUT_MS } from './api'

/** Every domain of rights, and all of them together. */
export const DOMAINS = ['*', 'dam', 'fall', 'link', 'credit', 'procurement', 'treasury', 'legal', 'system'] as const

export interface WayIn {
  setup: boolean
  first_roles: string[]
  local: 'everyone' | 'break_glass'
  password_chars_min: number
  /** There is an identity provider. */
  provider: boolean
}

export interface Grant {
  role: string
  org: string
  domains: string[]
}

export interface Me {
  person: string
  name: string
  via: 'session' | 'token' | 'read_token'
  must: 'change_password' | 'enrol_second_factor' | null
  second_factor: boolean
  local: boolean
  grants: Grant[]
  actions: string[]
  may_break_glass: boolean
  broken_until: string | null
}

export interface Person {
  person: string
  name: string
  disabled: boolean
  second_factor: boolean
  signed_in_at: string | null
  grants: Grant[]
}

export interface Session {
  id: string
  current: boolean
  seen_at: string
  address: string
  agent: string
}

export interface Entry {
  seq: number
  at: string
  person: string
  via: string
  action: string
  target: string
  detail: string
}

export interface Report {
  entries: number
  signed_seq: number | null
  found: number
  findings: { seq: number; what: string; detail: string }[]
}

/** Asks with our cookie; a refusal is an `ApiError` with the server's code. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const response = await fetch(`/api/v1/${path}`, {
    method,
    headers,
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const json = text === '' ? null : (JSON.parse(text) as unknown)
  if (!response.ok) {
    const error = (json as { error?: { code?: string; message?: string } } | null)?.error
    throw new ApiError(response.status, error?.message ?? `HTTP ${response.status}`, error?.code ?? 'other')
  }
  return json as T
}

export const one = (name: string): string => encodeURIComponent(name)
