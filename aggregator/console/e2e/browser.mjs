// The browser of the checks: Debian's Chromium, nothing downloaded, every request watched.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

/** A token for a page that does not sign in; the stub wants none. */
export const CREDENTIALS = process.env.MINEWATCH_TOKEN ? { authorization: `Bearer ${process.env.MINEWATCH_TOKEN}` } : {}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS })
}

/** A page that records requests to other origins, page errors and CSP refusals. */
export async function openPage(browser, base, { width = 1440, height = 900, theme = 'light', query = '' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale: 'zh-CN', extraHTTPHeaders: CREDENTIALS })
  const page = await context.newPage()
  const watch = { foreign: [], errors: [] }
  const origin = new URL(base).origin
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) watch.foreign.push(request.url())
  })
  page.on('pageerror', (error) => watch.errors.push(String(error)))
  page.on('console', (message) => {
    const refused = /Content Security Policy|Content-Security-Policy/i.test(message.text())
    if (message.type() === 'error' && refused) watch.errors.push(message.text())
  })
  await page.goto(new URL(query, base).href, { waitUntil: 'load' })
  return { context, page, watch }
}

/** What axe leaves to a person, and why it is decided here: anything else undecided is a violation. */
const DECIDED = {
  // Text over drawn shapes: axe cannot see what is behind it, test/contrast.test.ts computes it.
  'color-contrast': 'svg, svg *',
  // The cameras have no sound.
  'video-caption': 'video[muted], video',
}

/** Makes the window as tall as the page: what is out of sight is not drawn, nor judged by axe. */
export async function unroll(page) {
  const HEIGHT_MAX = 12_000
  for (let round = 0; round < 3; round += 1) {
    // A list that scrolls by itself grows with the window: no row of it may stay half hidden.
    const height = await page.evaluate(() => {
      const lists = [...document.querySelectorAll('[role=region]')]
      lists.forEach((list) => (list.scrollTop = 0))
      return document.documentElement.scrollHeight + Math.max(0, ...lists.map((list) => list.scrollHeight - list.clientHeight))
    })
    const { width } = page.viewportSize()
    await page.setViewportSize({ width, height: Math.min(height, HEIGHT_MAX) })
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }
  await page.evaluate(() => document.querySelectorAll('[role=region]').forEach((list) => (list.scrollTop = 0)))
}

/**
 * axe over the whole page, run through the debugger so that the page's CSP stays in force.
 * What axe could not decide counts as a violation, unless it stands in `DECIDED`.
 */
export async function axe(page) {
  await page.evaluate(`${AXE};0`)
  const result = await page.evaluate(
    async ([tags, decided]) => {
      const found = await window.axe.run(document, { runOnly: tags, resultTypes: ['violations', 'incomplete'] })
      const open = (rule) => rule.nodes.filter((node) => !decided[rule.id] || !document.querySelector(node.target.at(-1))?.matches(decided[rule.id]))
      return [...found.violations, ...found.incomplete.map((rule) => ({ ...rule, nodes: open(rule) })).filter((rule) => rule.nodes.length > 0)]
    },
    [TAGS, DECIDED],
  )
  return result.map((rule) => `${rule.id}: ${rule.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? ''}`).join(' | ')}`)
}

export class Checks {
  failed = 0

  check(name, ok, detail = '') {
    if (!ok) this.failed += 1
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}${!ok && detail ? `: ${detail}` : ''}`)
  }

  /** A check that may need a while; the limit is a bound on failure, not a pause. */
  async eventually(name, probe, limitMs = 15_000) {
    const end = Date.now() + limitMs
    let last = ''
    for (;;) {
      try {
        if (await probe()) return this.check(name, true)
      } catch (error) {
        last = String(error)
      }
      if (Date.now() > end) return this.check(name, false, last || `not within ${limitMs} ms`)
      await new Promise((done) => setTimeout(done, 100))
    }
  }
}
