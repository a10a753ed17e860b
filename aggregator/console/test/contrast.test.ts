import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const css = readFileSync(new URL('../src/app.css', import.meta.url), 'utf8').split('/* tokens end */')[0] ?? ''

function tokensOf(block: string): Record<string, string> {
  return Object.fromEntries([...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map((m) => [m[1], m[2]]))
}
const [lightBlock = '', darkBlock = ''] = css.split('@media (prefers-color-scheme: dark)')
const THEMES = { light: tokensOf(lightBlock), dark: tokensOf(darkBlock) }

/** WCAG relative luminance and contrast. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

const SURFACES = ['bg', 'panel', 'raised']
const LEVELS = ['red', 'orange', 'yellow', 'blue', 'normal', 'doubt', 'alert']

it('computes contrast as WCAG does', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21)
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2)
})

it('defines the same tokens in both themes', () => {
  expect(Object.keys(THEMES.dark).sort()).toEqual(Object.keys(THEMES.light).sort())
})

describe.each(['light', 'dark'] as const)('%s', (theme) => {
  const of = (a: string, b: string): number => {
    const [x, y] = [THEMES[theme][a], THEMES[theme][b]]
    if (!x || !y) throw new Error(`token ${x ? b : a} is missing`)
    return contrast(x, y)
  }

  it.each(LEVELS)('%s: text on its fill reads, and its outline stands out from every surface', (level) => {
    expect(of(`${level}-ink`, `${level}-fill`)).toBeGreaterThanOrEqual(4.5)
    for (const surface of SURFACES) expect(of(`${level}-line`, surface), surface).toBeGreaterThanOrEqual(3)
  })

  it.each(['red', 'orange', 'yellow', 'blue', 'alert'])('%s: its outline colour also reads as text', (level) => {
    expect(of(`${level}-line`, 'panel')).toBeGreaterThanOrEqual(4.5)
  })

  it('text over drawings reads: on the dam, on water, on the map, on its own halo', () => {
    for (const ground of ['normal-fill', 'line', 'raised', 'panel']) expect(of('ink', ground), ground).toBeGreaterThanOrEqual(4.5)
  })

  it('limits and marks stand out from the dam they are drawn on', () => {
    for (const level of ['red', 'orange', 'yellow', 'blue', 'normal']) expect(of(`${level}-line`, 'normal-fill'), level).toBeGreaterThanOrEqual(3)
  })

  it.each(SURFACES)('text reads on %s', (surface) => {
    expect(of('ink', surface)).toBeGreaterThanOrEqual(7)
    expect(of('muted', surface)).toBeGreaterThanOrEqual(4.5)
    expect(of('focus', surface)).toBeGreaterThanOrEqual(3)
    expect(of('line-strong', surface)).toBeGreaterThanOrEqual(3)
  })
})
