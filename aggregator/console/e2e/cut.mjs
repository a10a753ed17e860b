// A way to headquarters that can be cut: bytes stop, connections are refused, as when a site's line breaks.
import { connect, createServer } from 'node:net'
import { ask, BASE, FIRST, signIn } from './signed.mjs'
import { openPage } from './browser.mjs'

async function relay() {
  const target = new URL(BASE)
  const open = new Set()
  let up = true
  const server = createServer((near) => {
    if (!up) return void near.destroy()
    const far = connect(Number(target.port), target.hostname)
    open.add(near)
    for (const [a, b] of [[near, far], [far, near]]) {
      a.pipe(b)
      a.on('error', () => b.destroy())
      a.on('close', () => (open.delete(near), b.destroy()))
    }
  })
  await new Promise((done) => server.listen(0, target.hostname, done))
  return {
    url: `http://${target.hostname}:${server.address().port}/`,
    set(state) {
      up = state
      if (!up) for (const socket of open) socket.destroy()
    },
    stop: () => new Promise((done) => (open.forEach((socket) => socket.destroy()), server.close(done))),
  }
}

/** The line breaks: a red banner, no value looks live. It comes back: resumed by id, what was missed is there. */
export async function cutAndResume(checks, browser, outside) {
  const line = await relay()
  const { context, page } = await openPage(browser, line.url)
  const resumed = []
  page.on('request', (request) => request.url().includes('/api/v1/stream') && resumed.push(request.headers()['last-event-id'] ?? ''))
  await signIn(page, FIRST)
  await page.locator('[data-link=live]').waitFor()
  await page.locator('[data-trust=good]').first().waitFor()
  line.set(false)
  await checks.eventually('a lost line shows the red banner', () => page.locator('[data-testid=link-lost]').isVisible(), 20_000)
  checks.check('no value looks live during the loss', (await page.locator('[data-trust=good]').count()) === 0)
  const rows = (await ask(outside, 'GET', '/api/v1/annunciator?limit=1000')).body.rows
  const row = rows.find((one) => one.handling && !one.handling.acked && !one.handling.kept_back)
  if (row) await ask(outside, 'POST', `/api/v1/alarms/${row.gateway}/${row.alarm}/acknowledge`, { version: row.handling.version })
  line.set(true)
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await checks.eventually('the line comes back', () => page.locator('[data-link=live]').isVisible(), 30_000)
  await checks.eventually('values are live again', async () => (await page.locator('[data-trust=good]').count()) > 0, 20_000)
  checks.check('by resuming after the last event', /^\d+-\d+$/.test(resumed.at(-1) ?? ''), resumed.join(' '))
  if (row) {
    await page.evaluate((key) => (location.hash = `#/alarms?q=${encodeURIComponent(key)}`), row.alarm)
    await checks.eventually('what was acknowledged during the loss is shown so', async () => (await page.locator(`[data-alarm="${row.gateway}/${row.alarm}"] [data-act=acknowledge]`).count()) === 0 && (await page.locator('[data-testid=annunciator], [data-testid=none]').count()) > 0)
  }
  await context.close()
  await line.stop()
}
