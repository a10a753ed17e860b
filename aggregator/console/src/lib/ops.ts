/** What the screens for operation share: words in the page's language, names of alarms, what went wrong. */
import type { Params } from './i18n'
import { ApiError, BACKGROUND, TIMEOUT_MS } from './api'
import { partsOf } from './annunciator'
import { isBusinessKind, sentenceOf } from './business'
import { language, named, word } from './lang.svelte'
import { live } from './live.svelte'
import { keyOf } from './model'
import { sites } from './sites.svelte'
import { opsWord, type OpsKey } from './words.ops'
import { say } from './workWords'
import type { Paths } from './openapi'

export const o = (key: OpsKey, params?: Params): string => opsWord(language.current, key, params)
/** A word whose key comes from the wire. */
export const wire = (key: string): string => opsWord(language.current, key)

/** Asks by a route of the description; a refusal is an `ApiError`. */
export async function read<P extends keyof Paths>(route: P, path: Record<string, string> = {}, query: Record<string, string> = {}): Promise<Paths[P]> {
  const filled = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''))
  const asked = new URLSearchParams(query).toString()
  const response = await fetch(`${filled}${asked === '' ? '' : `?${asked}`}`, {
    headers: { accept: 'application/json', ...BACKGROUND },
    cache: 'no-store',
    signal: AbortSignal.timeout(2 * TIMEOUT_MS),
  })
  const body = (await response.json().catch(() => null)) as { error?: { message?: string; code?: string } } | null
  if (!response.ok) throw new ApiError(response.status, body?.error?.message ?? `HTTP ${response.status}`, body?.error?.code)
  return body as Paths[P]
}

/** The same, with nothing where there is nothing to see. */
export async function readOr<P extends keyof Paths>(none: Paths[P], route: P, path?: Record<string, string>, query?: Record<string, string>): Promise<Paths[P]> {
  try {
    return await read(route, path, query)
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return none
    throw error
  }
}

/** What a refused order or a failed question says to a person. */
export function sentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ApiError) {
    if (error.status === 401) return say(language.current, 'login')
    if (error.status === 403) return say(language.current, 'forbidden')
    if (error.status === 409) return `${say(language.current, 'stale')} ${message}`
  }
  return say(language.current, 'failed', { error: message })
}

/** The name of an alarm: of its point, its item, or what it is. */
export function alarmName(row: { gateway: string; alarm: string }): string {
  const known = live.alarms.get(keyOf(row.gateway, row.alarm))
  if (known && isBusinessKind(known.kind)) return sentenceOf(known.why, language.current)
  const { subject, kind } = partsOf(row.alarm)
  const point = live.points.get(keyOf(row.gateway, subject))
  const own = known?.name?.zh || known?.name?.en ? named(known.name, subject) : null
  const name = own ?? sites.subject(row.gateway, subject) ?? named(point?.name, subject)
  return `${name} ${word('kind', kind)}`
}

/** The name of a key figure's target; one this console does not know is shown as it came. */
export const kpiWord = (name: string): string => opsWord(language.current, `target.${name}`)

export const siteName = (gateway: string): string => named(live.gateways.get(gateway)?.site, gateway)
