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

/**
 * axe over the whole page, run through the debugger so that the page's CSP stays in force.
 * Undecided contrast counts as a violation: axe files the level glyphs there.
 */
export async function axe(page) {
  await page.evaluate(`${AXE};0`)
  const result = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS)
  const undecided = result.incomplete.filter((rule) => rule.id === 'color-contrast')
  return [...result.violations, ...undecided].map(
    (rule) => `${rule.id}: ${rule.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? ''}`).join(' | ')}`,
  )
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
