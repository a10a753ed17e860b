/** Where sites are drawn, with and without WebGL. Pure. */
import { worst, type Level } from './levels'
import type { Alarm, Gateway } from './api'
import type { SiteOutlineView } from './openapi'

export interface Place {
  gateway: string
  longitude: number
  latitude: number
  level: Level
  link: 'online' | 'offline' | 'silent'
}

/** Sites with a position, and the worst active level of each. A site that is not heard is not "normal": its link says so. */
export function placesOf(sites: readonly SiteOutlineView[], gateways: ReadonlyMap<string, Gateway>, alarms: Iterable<Alarm>): Place[] {
  const levels = levelsBySite(alarms)
  return sites.flatMap(({ gateway, location }) =>
    location
      ? [{ gateway, longitude: location.longitude, latitude: location.latitude, level: levels.get(gateway) ?? 'normal', link: gateways.get(gateway)?.link.state ?? 'silent' }]
      : [],
  )
}

export function levelsBySite(alarms: Iterable<Alarm>): Map<string, Level> {
  const levels = new Map<string, Level>()
  for (const alarm of alarms) levels.set(alarm.gateway, worst([levels.get(alarm.gateway) ?? 'normal', alarm.level]))
  return levels
}

export interface Bounds {
  west: number
  east: number
  south: number
  north: number
}

/** All places with room around them; at least a tenth of a degree, so that one site is not a point in nothing. */
export function boundsOf(places: readonly { longitude: number; latitude: number }[]): Bounds {
  const [xs, ys] = [places.map((p) => p.longitude), places.map((p) => p.latitude)]
  const [west, east, south, north] = places.length === 0 ? [73, 135, 18, 54] : [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const room = Math.max((east - west) * 0.2, (north - south) * 0.2, 0.05)
  return { west: west - room, east: east + room, south: Math.max(-85, south - room), north: Math.min(85, north + room) }
}

/** Lines of the graticule: a step that gives some five of them. */
export function graticule(bounds: Bounds): { longitudes: number[]; latitudes: number[] } {
  const lines = (from: number, to: number): number[] => {
    const step = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find((one) => (to - from) / one >= 4) ?? 0.01
    const first = Math.ceil(from / step)
    return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, i) => Number(((first + i) * step).toFixed(4)))
  }
  return { longitudes: lines(bounds.west, bounds.east), latitudes: lines(bounds.south, bounds.north) }
}

/** Equal steps east and north, in a picture of `width` × `height`. */
export function project(bounds: Bounds, width: number, height: number): (longitude: number, latitude: number) => { x: number; y: number } {
  const middle = ((bounds.south + bounds.north) / 2) * (Math.PI / 180)
  const [w, h] = [(bounds.east - bounds.west) * Math.cos(middle), bounds.north - bounds.south]
  const k = Math.min(width / w, height / h)
  const [left, top] = [(width - w * k) / 2, (height - h * k) / 2]
  return (longitude, latitude) => ({
    x: Number((left + (longitude - bounds.west) * Math.cos(middle) * k).toFixed(1)),
    y: Number((top + (bounds.north - latitude) * k).toFixed(1)),
  })
}
