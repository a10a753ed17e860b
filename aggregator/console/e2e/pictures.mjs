// Takes a picture of every screen of a running demonstration: `make pictures`. Nothing in them is drawn by hand.
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { launch, openPage } from './browser.mjs'
import { BASE, FALL, FIRST, SCREENS, show, signIn } from './signed.mjs'
import { palette } from './png.mjs'

const out = process.argv[2] ?? 'docs/pictures'
mkdirSync(out, { recursive: true })
const browser = await launch()
const [WIDTH, HEIGHT] = [1280, 800]

async function shoot(page, name, full = false) {
  if (full) {
    const height = await page.evaluate(() => document.documentElement.scrollHeight)
    await page.setViewportSize({ width: page.viewportSize().width, height: Math.min(height, 1_500) })
  }
  await page.waitForTimeout(600)
  const file = join(out, `console-${name}.png`)
  writeFileSync(file, await palette(browser, await page.screenshot()))
  await page.setViewportSize({ width: page.viewportSize().width, height: HEIGHT })
  console.log(`${file} ${(statSync(file).size / 1024).toFixed(0)} KB`)
}

async function all(theme, query, names, suffix) {
  const { context, page } = await openPage(browser, BASE, { theme, width: WIDTH, height: HEIGHT, query })
  await signIn(page, FIRST)
  for (const screen of SCREENS.filter((one) => one.picture !== false && (names === null || names.includes(one.name)))) {
    await show(page, screen)
    if (screen.name === 'cameras' && FALL) await page.locator('[data-clips]:not([data-clips=none])').first().waitFor({ timeout: 20_000 }).catch(() => undefined)
    if (screen.name === 'dam') await page.locator('[data-outlook=abstain], [data-outlook=failure]').first().waitFor({ timeout: 20_000 })
    await shoot(page, `${screen.name}${suffix}`, !['live', 'wall', 'people', 'audit'].includes(screen.name))
  }
  await context.close()
}

try {
  const { context, page } = await openPage(browser, BASE, { width: WIDTH, height: HEIGHT })
  await page.locator('input[name=person]').waitFor()
  await shoot(page, 'sign-in')
  await context.close()
  await all('light', '', null, '')
  await all('dark', '?lang=en', ['alarms', 'dam', 'cases'], '-dark-en')
  const phone = await openPage(browser, BASE, { width: 390, height: 844 })
  await signIn(phone.page, FIRST)
  await show(phone.page, SCREENS.find((one) => one.name === 'alarms'))
  await shoot(phone.page, 'alarms-390')
  await phone.context.close()
} finally {
  await browser.close()
}
