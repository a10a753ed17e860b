/** What the dam page says beyond its parts: levels of items and pond, stations. Pure. */
import type { Alarm, Point } from './api'
import { worst, type Level, type Warning } from './levels'
import { keyOf } from './model'
import type { DamView } from './openapi'

export interface ItemRow {
  id: string
  name: { zh: string; en: string }
  level: Level
  /** Points at each warning level. */
  counts: Record<Warning, number>
  /** Points whose newest value may not be believed: their level is held, not known. */
  unknown: number
  points: number
}

/** The item's own alarm says its level: the site counts by GB 39496-2020 5.5.4, the console shows. */
export function itemRows(
  gateway: string,
  dam: DamView,
  alarms: ReadonlyMap<string, Alarm>,
  levels: ReadonlyMap<string, Level>,
  trusted: (point: string) => boolean,
): ItemRow[] {
  return dam.items.map((item) => {
    const counts: Record<Warning, number> = { red: 0, orange: 0, yellow: 0, blue: 0 }
    for (const point of item.points) {
      const level = levels.get(keyOf(gateway, point)) ?? 'normal'
      if (level !== 'normal') counts[level] += 1
    }
    return {
      id: item.id,
      name: item.name,
      level: alarms.get(keyOf(gateway, `${item.id}.item`))?.level ?? 'normal',
      counts,
      unknown: item.points.filter((point) => !trusted(point)).length,
      points: item.points.length,
    }
  })
}

/** The whole pond: its own alarm, and never better than its worst item. */
export function pondLevel(gateway: string, dam: DamView, alarms: ReadonlyMap<string, Alarm>, items: readonly ItemRow[]): Level {
  return worst([alarms.get(keyOf(gateway, `${dam.id}.pond`))?.level ?? 'normal', ...items.map((item) => item.level)])
}

/** The newest usable value of the first point of an item of this kind. */
export function valueOfKind(gateway: string, dam: DamView, points: ReadonlyMap<string, Point>, kind: string): number | null {
  const id = dam.items.find((item) => item.kind === kind)?.points[0]
  const latest = id ? points.get(keyOf(gateway, id))?.latest : undefined
  return latest && latest.quality !== 'bad' ? latest.value : null
}

export interface Station {
  id: string
  horizontal: Point | undefined
  settlement: Point | undefined
  rate: Point | undefined
}

/** Displacement stations: the devices of the points in displacement items. */
export function stationsOf(gateway: string, dam: DamView, points: ReadonlyMap<string, Point>): Station[] {
  const ids = dam.items.filter((item) => item.kind.endsWith('displacement')).flatMap((item) => item.points)
  const devices = [...new Set(ids.map((id) => id.slice(0, id.lastIndexOf('.'))))]
  return devices.map((id) => ({
    id,
    horizontal: points.get(keyOf(gateway, `${id}.horizontal`)),
    settlement: points.get(keyOf(gateway, `${id}.settlement`)),
    rate: points.get(keyOf(gateway, `${id}.rate`)),
  }))
}

