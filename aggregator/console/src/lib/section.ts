/**
 * A cross-section as a picture: ground, phreatic line, limits, pond. Pure geometry in SVG coordinates.
 *
 * Invariant: the line is drawn only through heads that are there; where one may not be trusted, both
 * stretches beside it are marked as doubtful.
 */
import type { SectionView } from './openapi'

export interface Head {
  x: number
  /** m above the site datum; `null` when nothing usable is known. */
  level: number | null
  trusted: boolean
}

export interface Frame {
  width: number
  height: number
  x: (metres: number) => number
  y: (height: number) => number
  /** How much heights are exaggerated. */
  exaggeration: number
}

export type Ground = readonly (readonly [number, number])[]

/** The ground as pairs; what is no pair is left out. */
export const groundOf = (section: SectionView): Ground =>
  section.surface.flatMap(([x, z]) => (x === undefined || z === undefined ? [] : [[x, z] as const]))

const PAD = { left: 14, right: 14, top: 26, bottom: 18 }

/** Fits ground, base and `heights` (crest, pond, limits) into a picture of `width`. */
export function frameOf(section: SectionView, heights: readonly number[], width: number, height: number): Frame {
  const ground = groundOf(section)
  const xs = ground.map(([x]) => x)
  const zs = [...ground.map(([, z]) => z), section.base_m, ...heights]
  const [left, right] = [Math.min(...xs), Math.max(...xs)]
  const [low, high] = [Math.min(...zs), Math.max(...zs)]
  const kx = (width - PAD.left - PAD.right) / Math.max(right - left, 1e-6)
  const ky = (height - PAD.top - PAD.bottom) / Math.max(high - low, 1e-6)
  const round = (n: number): number => Number(n.toFixed(1))
  return {
    width,
    height,
    x: (m) => round(PAD.left + (m - left) * kx),
    y: (h) => round(PAD.top + (high - h) * ky),
    exaggeration: Number((ky / kx).toFixed(1)),
  }
}

export function pathOf(frame: Frame, line: readonly (readonly [number, number])[]): string {
  return line.map(([x, h], i) => `${i === 0 ? 'M' : 'L'}${frame.x(x)} ${frame.y(h)}`).join('')
}

/** Ground between its first and last point, down to the base. */
export function bodyOf(frame: Frame, section: SectionView): string {
  const ground = groundOf(section)
  const [first, last] = [ground[0], ground.at(-1)]
  if (!first || !last) return ''
  return `${pathOf(frame, ground)}L${frame.x(last[0])} ${frame.y(section.base_m)}L${frame.x(first[0])} ${frame.y(section.base_m)}Z`
}

/** The line through the heads: trusted stretches and doubtful ones apart. */
export function phreaticOf(frame: Frame, heads: readonly Head[]): { sure: string; doubtful: string } {
  const known = heads.filter((head): head is Head & { level: number } => head.level !== null)
  let [sure, doubtful] = ['', '']
  for (let i = 1; i < known.length; i += 1) {
    const [a, b] = [known[i - 1], known[i]]
    if (!a || !b) continue
    const piece = pathOf(frame, [[a.x, a.level], [b.x, b.level]])
    if (a.trusted && b.trusted) sure += piece
    else doubtful += piece
  }
  return { sure, doubtful }
}

/** Where a level of water meets the ground going upstream from the crest; `null` when it does not. */
export function shoreOf(ground: Ground, level: number): number | null {
  const beach = ground.filter(([x]) => x <= 0)
  for (let i = beach.length - 1; i > 0; i -= 1) {
    const [a, b] = [beach[i - 1], beach[i]]
    if (!a || !b) continue
    const [[x1, z1], [x2, z2]] = [a, b]
    if ((z1 <= level && level <= z2) || (z2 <= level && level <= z1)) {
      return z1 === z2 ? x2 : x1 + ((level - z1) / (z2 - z1)) * (x2 - x1)
    }
  }
  return null
}
