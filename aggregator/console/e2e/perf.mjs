// What the page costs in a real browser: first paint, raise to visible among 1,000 alarms, a scroll through
// 10,000 rows, a drawn trend. Prints one JSON object; `make bench ONLY=console_raise_to_visible_p95_ms`.
import { launch, openPage } from './browser.mjs'
import { startStub } from './stub.mjs'

const RAISES = 40
const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]
const browser = await launch()

async function firstPaint() {
  const stub = await startStub()
  const paints = []
  for (let n = 0; n < 5; n += 1) {
    const { context, page } = await openPage(browser, stub.base)
    await page.locator('[data-point]').first().waitFor()
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity))
    await context.close()
  }
  await stub.stop()
  return quantile(paints, 0.5)
}

/** From the moment the server says it until the row is in the page, drawn. */
async function raiseToVisible() {
  const stub = await startStub(0, { extraPoints: 1_000, extraAlarms: 1_000 })
  const { context, page } = await openPage(browser, stub.base)
  await page.locator('li[data-alarm]').first().waitFor({ timeout: 30_000 })
  await page.waitForTimeout(3_000)
  const took = []
  for (let n = 0; n < RAISES; n += 1) {
    const alarm = `new-${n}.threshold`
    const seen = page.evaluate(
      (key) =>
        new Promise((done) => {
          const there = () => document.querySelector(`li[data-alarm="${key}"]`) && (watcher.disconnect(), requestAnimationFrame(() => done(Date.now())))
          const watcher = new MutationObserver(there)
          watcher.observe(document.body, { childList: true, subtree: true })
        }),
      `gw-linchong-01/${alarm}`,
    )
    await page.waitForTimeout(80 + 13 * (n % 7))
    const at = Date.now()
    stub.alarm({ gateway: 'gw-linchong-01', alarm, kind: 'threshold', point: null, level: 'red', from_level: 'normal', revision: 1, since: new Date().toISOString(), value: 1, limit: 1, unit: 'm', rule: 'r', why: 'w', name: { zh: alarm, en: alarm } })
    took.push((await seen) - at)
  }
  await context.close()
  await stub.stop()
  return { p50: quantile(took, 0.5), p95: quantile(took, 0.95) }
}

/** Scrolls through the whole list for five seconds; how long its frames take, and how many rows are drawn. */
async function scroll() {
  const stub = await startStub(0, { rows: 10_000 })
  const { context, page } = await openPage(browser, stub.base, { query: '#/alarms' })
  await page.waitForFunction(() => document.querySelector('[aria-setsize]')?.getAttribute('aria-setsize') >= 10_000, null, { timeout: 30_000 })
  const result = await page.evaluate(
    () =>
      new Promise((done) => {
        const list = document.querySelector('[data-testid=annunciator] [role=region]')
        const [began, frames] = [performance.now(), []]
        let [before, drawn] = [began, 0]
        const step = (now) => {
          frames.push(now - before)
          before = now
          drawn = Math.max(drawn, list.querySelectorAll('li').length)
          list.scrollTop = ((now - began) / 5_000) * (list.scrollHeight - list.clientHeight)
          if (now - began < 5_000) requestAnimationFrame(step)
          else done({ frames: frames.slice(2), drawn })
        }
        requestAnimationFrame(step)
      }),
  )
  await context.close()
  await stub.stop()
  return { p95: quantile(result.frames, 0.95), drawn: result.drawn }
}

try {
  const paint = await firstPaint()
  const raise = await raiseToVisible()
  const rows = await scroll()
  console.log(JSON.stringify({ first_paint_ms: paint, raise_p50_ms: raise.p50, raise_p95_ms: raise.p95, scroll_frame_p95_ms: rows.p95, rows_drawn: rows.drawn }))
} finally {
  await browser.close()
}
