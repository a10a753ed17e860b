// Every screen of a running demonstration in a real browser: `demo.py --then 'node …/e2e/screens.mjs'`.
// Light and dark with axe, 390 px, English, keyboard, rights, and the loop from alarm to closed case.
import { axe, Checks, launch, openPage, unroll } from './browser.mjs'
import { bulkNeverRed, closeCase, fallWithClip, keyboardOnly, rights, staleRefused, twoInStep } from './flows.mjs'
import { BASE, FALL, FIRST, hire, SCREENS, show, signIn } from './signed.mjs'
import { cutAndResume } from './cut.mjs'
import { duty, token } from './manage.mjs'

const checks = new Checks()
const browser = await launch()

async function layout(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  checks.check(`${name}: no sideways scroll`, wide <= 0, `${wide} px`)
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button, summary, select, input:not([type=checkbox])')]
      .filter((e) => e.getClientRects().length > 0)
      .map((e) => [e, e.getBoundingClientRect()])
      .filter(([, r]) => r.width < 43.5 || r.height < 43.5)
      .map(([e, r]) => `${e.outerHTML.slice(0, 80)} ${Math.round(r.width)}×${Math.round(r.height)}`),
  )
  checks.check(`${name}: targets of 44 px`, small.length === 0, small.slice(0, 3).join(' | '))
}

/** One view of every screen; returns the signed-in page. */
async function walk({ theme, width, height, query, english }) {
  const view = `${theme}${width ? ` ${width} px` : ''}${english ? ' English' : ''}`
  const { context, page, watch } = await openPage(browser, BASE, { theme, width, height, query })
  await signIn(page, FIRST)
  for (const screen of SCREENS) {
    const name = `${view} ${screen.name}`
    try {
      await show(page, screen)
    } catch (error) {
      checks.check(`${name}: shown`, false, String(error).split('\n')[0])
      continue
    }
    if (width) await layout(page, name)
    else if (english) {
      const chinese = await page.evaluate(() => (document.querySelector('main')?.innerText ?? '').match(/[\u4e00-\u9fff]+/g) ?? [])
      const own = chinese.filter((word) => !['演示'].includes(word))
      checks.check(`${name}: English`, own.length === 0, own.slice(0, 5).join(' '))
    } else {
      const size = page.viewportSize()
      await unroll(page)
      const found = await axe(page)
      await page.setViewportSize(size)
      checks.check(`${name}: WCAG 2.2 AA (axe)`, found.length === 0, found.join('\n       '))
    }
  }
  checks.check(`${view}: no request to another origin`, watch.foreign.length === 0, watch.foreign.join(' '))
  checks.check(`${view}: no page error, no CSP refusal`, watch.errors.length === 0, watch.errors.join(' '))
  await context.close()
}

try {
  await walk({ theme: 'light' })
  await walk({ theme: 'dark' })
  await walk({ theme: 'light', width: 390, height: 844 })
  await walk({ theme: 'dark', query: '?lang=en', english: true })
  const { context, page } = await openPage(browser, BASE)
  await signIn(page, FIRST)
  const second = await hire(page, browser, 'second', 'administrator')
  const viewer = await hire(page, browser, 'viewer', 'viewer')
  const other = await hire(page, browser, 'other', 'operator', 'demo-group/other-company')
  await duty(checks, page, second)
  await token(checks, browser, page)
  await staleRefused(checks, page)
  await twoInStep(checks, browser, page, second)
  await keyboardOnly(checks, browser, second)
  await rights(checks, browser, { viewer, other })
  await bulkNeverRed(checks, page)
  if (FALL) await fallWithClip(checks, page)
  else console.log('skip a fall with its clip: no pose model or ONNX Runtime here')
  await closeCase(checks, browser, page, second)
  await cutAndResume(checks, browser, page)
  await context.close()
} finally {
  await browser.close()
}
console.log(checks.failed === 0 ? 'all checks hold' : `${checks.failed} checks failed`)
process.exit(checks.failed === 0 ? 0 : 1)
