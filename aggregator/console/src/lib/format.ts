/** Numbers, times and ages as people read them. Pure: the clock is an argument. */
import type { Lang } from './i18n'

/**
 * Decimals by size, never an exponent; `—` where there is no value. `scale` is the largest
 * number the value is compared with, so that 0 mm of rain under a limit of 60 reads `0.00`.
 */
export function formatValue(value: number | null | undefined, scale = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '—'
  const size = Math.max(Math.abs(value), Math.abs(scale))
  const digits = size >= 1000 ? 1 : size >= 10 ? 2 : 3
  const text = value.toFixed(digits)
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text
}

/** A limit as it was configured: no padding zeros. */
export function formatLimit(value: number): string {
  return String(Number(value.toPrecision(6)))
}

export function formatCount(value: number, lang: Lang): string {
  return value.toLocaleString(lang === 'zh' ? 'zh-CN' : 'en-GB')
}

const UNITS: Record<Lang, { s: string; m: string; h: string; d: string }> = {
  zh: { s: ' 秒', m: ' 分', h: ' 小时', d: ' 天' },
  en: { s: ' s', m: ' min', h: ' h', d: ' d' },
}

/** A duration in its one fitting unit; negative durations (clock skew) read as zero. */
export function formatAge(ms: number, lang: Lang): string {
  const units = UNITS[lang]
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 100) return `${s}${units.s}`
  if (s < 100 * 60) return `${Math.floor(s / 60)}${units.m}`
  if (s < 72 * 3600) return `${Math.floor(s / 3600)}${units.h}`
  return `${Math.floor(s / 86400)}${units.d}`
}

const pad = (n: number): string => String(n).padStart(2, '0')

/** Hours east of UTC that times are shown in; `null`: those of this computer. */
let zoneH: number | null = null

/** The sites' own zone, where they share one: a night shift at the mine is a night shift here. */
export function setZone(hours: number | null): void {
  zoneH = hours
}

/** `UTC+8`, `UTC-3:30`: the zone of every time on the page. */
export function zoneName(nowMs: number): string {
  const minutes = zoneH === null ? -new Date(nowMs).getTimezoneOffset() : Math.round(zoneH * 60)
  const rest = Math.abs(minutes) % 60
  return `UTC${minutes < 0 ? '-' : '+'}${Math.floor(Math.abs(minutes) / 60)}${rest === 0 ? '' : `:${pad(rest)}`}`
}

export interface Wall {
  year: number
  date: string
  time: string
}

/** What a clock on the wall of the site shows. */
export function wallClock(ms: number): Wall {
  const at = new Date(zoneH === null ? ms : ms + zoneH * 3_600_000)
  const [year, month, day, hour, minute, second] =
    zoneH === null
      ? [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds()]
      : [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
  return { year, date: `${pad(month + 1)}-${pad(day)}`, time: `${pad(hour)}:${pad(minute)}:${pad(second)}` }
}

/** Time of day, with the date when it is not today and the year when it is not this one. */
export function formatTime(iso: string | null | undefined, nowMs: number): string {
  const ms = iso ? Date.parse(iso) : NaN
  if (Number.isNaN(ms)) return '—'
  const [at, now] = [wallClock(ms), wallClock(nowMs)]
  if (at.year !== now.year) return `${at.year}-${at.date} ${at.time}`
  return at.date === now.date ? at.time : `${at.date} ${at.time}`
}

/** Configuration hashes are long; twelve characters tell two apart. */
export function shortHash(hash: string | null): string {
  return hash ? hash.replace(/^sha256:/, '').slice(0, 12) : '—'
}

/** What a person typed as a time of the site (`2026-11-25T08:00`), UTC; `null` when it is none. */
export function siteTime(typed: string): string | null {
  const at = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(typed)
  if (!at) return null
  const [year, month, day, hour, minute] = at.slice(1).map(Number) as [number, number, number, number, number]
  const ms = zoneH === null ? new Date(year, month - 1, day, hour, minute).getTime() : Date.UTC(year, month - 1, day, hour, minute) - zoneH * 3_600_000
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}
