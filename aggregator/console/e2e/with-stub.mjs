// The live page against the stub: everything live.mjs checks, then what only a stub can break.
import { Checks, launch, openPage } from './browser.mjs'
import { checkLive } from './live.mjs'
import { startStub } from './stub.mjs'

const shot = process.argv[2]
const checks = new Checks()
const stub = await startStub()
const browser = await launch()

/** A large installation: a thousand points every second must not fill the page. */
async function checkLoad() {
  const ROWS = 1_000
  const BUSY_MAX = 0.8
  const large = await startStub(0, { extraPoints: ROWS })
  const { context, page } = await openPage(browser, large.base)
  await checks.eventually('a thousand rows', async () => (await page.locator('[data-point]').count()) > ROWS, 20_000)
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  const busy = async () => (await session.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration').value
  const span = 8_000
  await page.waitForTimeout(span / 2)
  const before = await busy()
  await page.waitForTimeout(span)
  const share = ((await busy()) - before) / (span / 1000)
  console.log(`     1,000 values a second keep the page ${(share * 100).toFixed(0)} % busy`)
  checks.check('a thousand values a second do not fill the page', share < BUSY_MAX, share.toFixed(2))
  await context.close()
  await large.stop()
}

try {
  await checkLive(checks, browser, stub.base, { shot, expectLevel: 'red', expectLedger: 'explained' })

  const { context, page, watch } = await openPage(browser, stub.base)
  await checks.eventually('connected', () => page.locator('[data-link=live]').isVisible())

  const site = page.locator('[data-point^="gw-linchong-01/"]')
  stub.alarm({ alarm: 'gn-01.dx', kind: 'threshold', gateway: 'gw-linchong-01', point: 'gn-01.dx', level: 'red', from_level: 'normal', revision: 1, since: new Date().toISOString(), value: 52.1, limit: 50, unit: 'mm', rule: 'crest#sha:77', why: 'gn-01.dx rose to 52.1 mm', name: { zh: '坝顶位移 X', en: 'Crest displacement X' } })
  const raised = page.locator('[data-alarm="gw-linchong-01/gn-01.dx"]')
  await checks.eventually('a new red alarm appears', () => raised.isVisible(), 3_000)
  checks.check('and is spoken', ((await page.textContent('[data-testid=announcer]')) ?? '').includes('坝顶位移 X'))

  stub.cut(502)
  await checks.eventually('a lost stream shows a red banner', () => page.locator('[role=alert] [data-testid=link-lost]').isVisible(), 10_000)
  checks.check('no value looks live during the loss', (await page.locator('[data-trust=good]').count()) === 0)
  checks.check('the alarm stays during the loss', await raised.isVisible())
  if (shot) await page.screenshot({ path: shot.replace(/(\.png)?$/, '-lost.png') })
  stub.alarm({ alarm: 'gn-01.dx', level: 'normal', from_level: 'red' })
  stub.cut(0)
  await checks.eventually('the stream comes back after 502', () => page.locator('[data-link=live]').isVisible(), 30_000)
  await checks.eventually('the transition missed during the cut arrives', async () => (await raised.count()) === 0)
  checks.check('by resuming, not by a snapshot', stub.resumes.at(-1).resumed, JSON.stringify(stub.resumes.at(-1)))
  await checks.eventually('the banner is gone', async () => (await page.locator('[data-testid=link-lost]').count()) === 0)

  stub.cut(502)
  stub.newEpoch()
  stub.cut(0)
  await checks.eventually('after a restart of the server a snapshot heals', async () => stub.resumes.at(-1).last !== '' && !stub.resumes.at(-1).resumed && (await page.locator('[data-link=live]').isVisible()), 30_000)
  const drawn = site.locator('.trend path[d*=L]')
  await checks.eventually('trends are filled again', async () => (await drawn.count()) >= 9)
  await checks.eventually('values are trusted again', async () => (await page.locator('[data-trust=good]').count()) > 0)

  stub.link('gw-linchong-01', 'silent')
  await checks.eventually('a silent site cuts its fresh values off', async () => (await site.and(page.locator('[data-trust=good]')).count()) === 0, 3_000)
  checks.check('and its card says so', await page.locator('[data-gateway=gw-linchong-01][data-state=silent]').isVisible())
  if (shot) await page.screenshot({ path: shot.replace(/(\.png)?$/, '-silent.png') })
  stub.link('gw-linchong-01', 'online')
  await checks.eventually('until it is back', async () => (await site.and(page.locator('[data-trust=good]')).count()) > 0, 3_000)

  stub.system({ store: { ok: false, error: 'database or disk is full' } })
  await checks.eventually('a store fault shows a banner', () => page.locator('[role=alert] [data-testid=store-fault]').isVisible(), 3_000)
  stub.system({ store: { ok: true, error: null }, broker: { connected: false } })
  await checks.eventually('a broker fault shows a banner', () => page.locator('[role=alert] [data-testid=broker-fault]').isVisible(), 3_000)
  checks.check('no page error', watch.errors.length === 0, watch.errors.join(' '))
  await context.close()
  await checkLoad()
} finally {
  await browser.close()
  await stub.stop()
}
console.log(checks.failed === 0 ? 'all checks hold' : `${checks.failed} checks failed`)
process.exit(checks.failed === 0 ? 0 : 1)
