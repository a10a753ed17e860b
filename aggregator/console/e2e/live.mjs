// Checks the live page of a running aggregator in a real browser.
//
//   node e2e/live.mjs <base URL> [--shot <file.png>] [--expect-level red|orange|yellow|blue]
//                     [--expect-ledger complete|explained|incomplete] [--no-values]
//
// MINEWATCH_TOKEN is the token to read with. Exit status 0 when every check holds. `--shot x.png` also writes x-dark.png and x-390.png.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { axe, Checks, CREDENTIALS, launch, openPage, unroll } from './browser.mjs'

const LEVELS = ['red', 'orange', 'yellow', 'blue']
const WORDS = { red: '红色', orange: '橙色', yellow: '黄色', blue: '蓝色' }

const api = async (base, path) => {
  const response = await fetch(new URL(path, base), { headers: CREDENTIALS })
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`)
  return response.json()
}

async function checkLanguage(checks, page) {
  checks.check('Chinese is the default', (await page.getAttribute('html', 'lang')) === 'zh-CN' && (await page.title()).includes('矿山安全监测'))
  await page.click('button.lang')
  checks.check('English on request, kept in the address', page.url().includes('lang=en') && (await page.getAttribute('html', 'lang')) === 'en')
  const heading = await page.textContent('#alarms-title')
  checks.check('English words', heading === 'Active alarms', heading)
  await page.click('button.lang')
  checks.check('and back', (await page.textContent('#alarms-title')) === '当前报警')
}

async function checkValues(checks, base, page) {
  const points = await api(base, '/api/v1/points')
  const measured = points.filter((p) => p.latest?.value !== null && p.latest?.value !== undefined)
  checks.check('the server has measured points', measured.length > 0)
  await checks.eventually('every point has a row', async () => (await page.locator('[data-point]').count()) === points.length)
  await checks.eventually('live values are shown', async () => {
    const texts = await page.locator('[data-testid=value]').allTextContents()
    return texts.filter((text) => /^-?\d/.test(text.trim())).length >= measured.length
  })
  await checks.eventually('bad and stale values never look safe', async () => {
    // Asked again each time: a value may recover between the answer and the look at the page.
    const untrusted = (await api(base, '/api/v1/points')).filter((p) => !p.latest || p.latest.quality === 'bad' || p.latest.stale)
    const safe = []
    for (const p of untrusted) {
      const row = page.locator(`[data-point="${p.gateway}/${p.point}"]`)
      const trusted = (await row.getAttribute('data-trust')) === 'good'
      if (trusted || (await row.locator('[data-level=normal]').count()) > 0) safe.push(p.point)
    }
    if (safe.length > 0) throw new Error(safe.join(' '))
    return true
  })
}

async function checkAlarms(checks, base, page, expected) {
  await checks.eventually('every active alarm is listed with its level in colour, shape and word', async () => {
    const alarms = await api(base, '/api/v1/alarms?state=active')
    for (const level of LEVELS) {
      const rows = page.locator(`li[data-alarm][data-level=${level}]`)
      if ((await rows.count()) !== alarms.filter((a) => a.level === level).length) return false
      for (const row of await rows.all()) {
        const badge = row.locator(`.badge[data-level=${level}]`)
        if ((await badge.locator('svg path').count()) !== 1 || !(await badge.textContent())?.includes(WORDS[level])) return false
      }
    }
    return true
  })
  const order = await page.locator('li[data-alarm]').evaluateAll((rows) => rows.map((r) => r.dataset.level))
  const ranks = order.map((level) => LEVELS.indexOf(level))
  checks.check('worst first', ranks.every((r, i) => i === 0 || ranks[i - 1] <= r), order.join(' '))
  if (order[0] === 'red' || order[0] === 'orange') {
    const spoken = (await page.textContent('[data-testid=announcer]')) ?? ''
    checks.check('an alarm active at opening is announced', spoken.includes(WORDS[order[0]]), spoken)
  }
  if (expected) checks.check(`a ${expected} alarm is visible`, await page.locator(`li[data-alarm][data-level=${expected}]`).first().isVisible())
}

async function checkLayout(checks, page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  checks.check(`${name}: no sideways scroll`, wide <= 0, `${wide} px`)
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button, summary, input, select')]
      .filter((e) => e.getClientRects().length > 0)
      .map((e) => e.getBoundingClientRect())
      .filter((r) => r.width < 44 || r.height < 44).length,
  )
  checks.check(`${name}: targets of 44 px`, small === 0, `${small} too small`)
}

/** All checks of one running aggregator; `checks` collects the results. */
export async function checkLive(checks, browser, base, options = {}) {
  const { shot, expectLevel, expectLedger, values = true } = options
  const shotAs = (suffix) => shot && shot.replace(/(\.png)?$/, `${suffix}.png`)
  const views = [
    { name: 'light', theme: 'light', suffix: '' },
    { name: 'dark', theme: 'dark', suffix: '-dark' },
    { name: '390 px', theme: 'light', width: 390, height: 844, suffix: '-390' },
    { name: 'English', theme: 'dark', query: '?lang=en', suffix: '-en' },
  ]
  for (const view of views) {
    const { context, page, watch } = await openPage(browser, base, view)
    await checks.eventually(`${view.name}: connected`, () => page.locator('[data-link=live]').isVisible())
    if (values) await checks.eventually(`${view.name}: values`, () => page.locator('[data-point]').first().isVisible())
    if (view.name === 'light') {
      if (values) await checkValues(checks, base, page)
      await checkAlarms(checks, base, page, expectLevel)
      if (expectLedger) {
        // A complete ledger may also have explained gaps.
        const wanted = expectLedger === 'complete' ? '[data-ledger=complete],[data-ledger=explained]' : `[data-ledger=${expectLedger}]`
        await checks.eventually(`ledger ${expectLedger}`, () => page.locator(wanted).first().isVisible(), 60_000)
      }
      await checkLanguage(checks, page)
    }
    await checks.eventually(`${view.name}: ledger asked`, () => page.locator('[data-ledger]:not([data-ledger=unknown])').first().isVisible())
    if (view.query) checks.check('language from the address', (await page.textContent('#alarms-title')) === 'Active alarms')
    await checkLayout(checks, page, view.name)
    await unroll(page)
    const found = await axe(page)
    checks.check(`${view.name}: WCAG 2.2 AA (axe)`, found.length === 0, found.join('\n       '))
    if (shot) await page.screenshot({ path: shotAs(view.suffix), fullPage: true })
    checks.check(`${view.name}: no request to another origin`, watch.foreign.length === 0, watch.foreign.join(' '))
    checks.check(`${view.name}: no page error, no CSP refusal`, watch.errors.length === 0, watch.errors.join(' '))
    await context.close()
  }
}

async function main() {
  const { positionals, values: flags } = parseArgs({
    allowPositionals: true,
    options: {
      shot: { type: 'string' },
      'expect-level': { type: 'string' },
      'expect-ledger': { type: 'string' },
      'no-values': { type: 'boolean', default: false },
    },
  })
  if (positionals.length !== 1) {
    console.error('usage: node e2e/live.mjs <base URL> [--shot file.png] [--expect-level red] [--expect-ledger complete]')
    return 2
  }
  const checks = new Checks()
  const browser = await launch()
  try {
    await checkLive(checks, browser, positionals[0], {
      shot: flags.shot,
      expectLevel: flags['expect-level'],
      expectLedger: flags['expect-ledger'],
      values: !flags['no-values'],
    })
  } finally {
    await browser.close()
  }
  console.log(checks.failed === 0 ? 'all checks hold' : `${checks.failed} checks failed`)
  return checks.failed === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main())
