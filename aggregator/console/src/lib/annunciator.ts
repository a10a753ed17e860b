/**
 * Alarms with the operator's side: their order, what may be acknowledged together, what sounds. Pure.
 *
 * Invariants: unacknowledged red stands first, whatever else is there; red is never acknowledged in
 * bulk, and nothing is that was not seen; a silenced alarm makes no sound but is not acknowledged.
 */
import { isBusiness } from './business'
import { rank, type Level, type Warning } from './levels'
import type { AnnunciatorRow, Handling } from './work'

export const rowKey = (row: { gateway: string; alarm: string }): string => `${row.gateway}/${row.alarm}`

/** The subject and the kind of an alarm: `pz-03.level.threshold` is the threshold of `pz-03.level`. */
export function partsOf(alarm: string): { subject: string; kind: string } {
  const dot = alarm.lastIndexOf('.')
  return dot < 0 ? { subject: alarm, kind: '' } : { subject: alarm.slice(0, dot), kind: alarm.slice(dot + 1) }
}

export const isUnacked = (row: AnnunciatorRow): boolean => !(row.handling?.acked ?? false)
const isHeld = (row: AnnunciatorRow): boolean => row.handling?.kept_back != null || row.handling?.inhibited_by != null

function place(row: AnnunciatorRow): number {
  const unacked = isUnacked(row) && !isHeld(row)
  if (unacked && row.level === 'red') return 0
  return unacked ? 1 : isHeld(row) ? 3 : 2
}

/** Unacknowledged red, other unacknowledged, acknowledged, kept back; in each the worst, then the newest. */
export function byNeed(a: AnnunciatorRow, b: AnnunciatorRow): number {
  return (
    place(a) - place(b) || rank(b.level) - rank(a.level) || b.at.localeCompare(a.at) || rowKey(a).localeCompare(rowKey(b))
  )
}

export interface Choice {
  level?: string
  gateway?: string
  domain?: string
  text?: string
}

/** Rows of a filter; `level` asks for that level and worse. */
export function choose(rows: Iterable<AnnunciatorRow>, choice: Choice, nameOf: (row: AnnunciatorRow) => string): AnnunciatorRow[] {
  const least = choice.level ? rank(choice.level as Level) : 0
  const text = (choice.text ?? '').trim().toLowerCase()
  const chosen: AnnunciatorRow[] = []
  for (const row of rows) {
    if (rank(row.level) < least) continue
    if (choice.gateway && row.gateway !== choice.gateway) continue
    // The business side is a queue of its own, shown when it is asked for.
    if (choice.domain ? row.domain !== choice.domain : isBusiness(row.domain)) continue
    if (text && !`${rowKey(row)} ${nameOf(row)}`.toLowerCase().includes(text)) continue
    chosen.push(row)
  }
  return chosen.sort(byNeed)
}

/** What was seen of an alarm: a change after it is not what somebody looked at. */
export const seenAs = (row: AnnunciatorRow): string => `${rowKey(row)}@${row.handling?.version ?? -1}`

/** Whether a row may be part of a bulk acknowledgement. */
export function mayBulk(row: AnnunciatorRow, seen: ReadonlySet<string>): boolean {
  return row.level !== 'red' && row.handling !== null && isUnacked(row) && !isHeld(row) && seen.has(seenAs(row))
}

/** The worst level that must sound: active, unacknowledged, not silenced, not kept back. */
export function soundOf(rows: Iterable<AnnunciatorRow>): Warning | null {
  let worst: Warning | null = null
  for (const row of rows) {
    if (row.level === 'normal' || !isUnacked(row) || isHeld(row) || row.handling?.silenced) continue
    if (row.handling && row.handling.process !== 'active') continue
    // Falls of people sound; warnings of the business side are a queue without sound.
    if (isBusiness(row.domain)) continue
    if (worst === null || rank(row.level) > rank(worst)) worst = row.level
  }
  return worst
}

/** Rows a virtual list draws: those in sight and some around, at most a screen or two of them. */
export function windowOf(count: number, top: number, height: number, row: number, extra = 6): { from: number; to: number } {
  const from = Math.max(0, Math.floor(top / row) - extra)
  return { from: Math.min(from, count), to: Math.min(count, Math.ceil((top + height) / row) + extra) }
}

/** A row before headquarters has said how it is handled: shown at once, as unacknowledged. */
export function provisional(alarm: { gateway: string; alarm: string; level: Level; at: string; kind?: string }, org: string): AnnunciatorRow {
  const kind = alarm.kind ?? partsOf(alarm.alarm).kind
  const business = kind.replace(/_risk$/, '')
  const domain = isBusiness(business) ? business : kind === 'fall' || kind === 'camera_health' ? 'fall' : ['link_down', 'spool', 'clock'].includes(kind) ? 'link' : 'dam'
  return { gateway: alarm.gateway, alarm: alarm.alarm, level: alarm.level, at: alarm.at, org, domain, handling: null }
}

/** Whether a row still stands in the list: something is active, returned unacknowledged, or kept back. */
export const stands = (handling: Handling): boolean => handling.isa !== 'NORM'
