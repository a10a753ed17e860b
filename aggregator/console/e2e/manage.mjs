// What administrators do in the page: a roster with shifts, a ladder, a responsible party, a token shown once.
import { ask, BASE, show } from './signed.mjs'
import { openPage } from './browser.mjs'

const ORG = 'demo-group/demo-company/qingshan'
const organisation = async (page) => (await ask(page, 'GET', '/api/v1/organisation')).body

/** A roster whose watch begins an hour ago, and the ladder that calls it. */
export async function duty(checks, page, second) {
  await show(page, { hash: '#/duty', ready: '#parties-title' })
  await page.click('[data-new=roster]')
  const form = page.locator('[data-form=roster]')
  await form.locator('input[name=roster]').fill('night')
  await form.locator('input[name=org]').fill(ORG)
  await form.locator('input[name=zh]').fill('夜班')
  await form.locator('input[name=en]').fill('Night watch')
  // The site's zone is UTC+8.
  await form.locator('input[name=start]').fill(new Date(Date.now() + 7 * 3_600_000).toISOString().slice(0, 16))
  await form.locator('input[name=count]').fill('6')
  await form.locator('input[name=people]').fill(`${process.env.MINEWATCH_PERSON}，${second.person}`)
  await form.locator('[data-make]').click()
  await form.locator('[data-save]').click()
  await checks.eventually('a roster is kept, and who is on duty is said', async () => (await page.locator('[data-roster=night] [data-testid=duty]').innerText()).includes(process.env.MINEWATCH_PERSON))
  const kept = (await organisation(page)).shifts.filter((shift) => shift.roster === 'night')
  checks.check('with its shifts in turn', kept.length === 6 && new Set(kept.map((shift) => shift.person)).size === 2, JSON.stringify(kept.slice(0, 2)))
  await page.click('[data-new=ladder]')
  const ladder = page.locator('[data-form=ladder]')
  await ladder.locator('input[name=org]').fill(ORG)
  await ladder.locator('select[name=domain]').selectOption('dam')
  await ladder.locator('input[name=name]').fill('night')
  await ladder.locator('[data-save]').click()
  await checks.eventually('a ladder calls the roster', async () => /夜班/.test(await page.locator(`[data-ladder="${ORG} dam red"]`).innerText()))
  const form2 = page.locator('[data-form=party]')
  await form2.locator('input[name=person]').fill(second.person)
  await form2.locator('input[name=role]').fill('dam-owner')
  await form2.locator('input[name=org]').fill(ORG)
  await form2.locator('button').click()
  await checks.eventually('a responsible party stands in the list', () => page.locator(`[data-party="${second.person}"]`).isVisible())
  await page.locator(`[data-party="${second.person}"] button`).click()
  await checks.eventually('and goes again', async () => (await page.locator(`[data-party="${second.person}"]`).count()) === 0)
}

/** A token: shown once, works as far as it may, dead when it is revoked. */
export async function token(checks, browser, page) {
  await show(page, { hash: '#/access', ready: '[data-session]' })
  await page.fill('[data-form=token] input[name=name]', 'e2e reader')
  await page.locator('[data-form=token] button').click()
  const secret = await page.locator('[data-testid=token]').innerText()
  const { context, page: stranger } = await openPage(browser, BASE)
  const status = async (method, path) => (await stranger.request.fetch(new URL(path, BASE).href, { method, headers: { authorization: `Bearer ${secret}` } })).status()
  checks.check('a token reads', (await status('GET', '/api/v1/points')) === 200)
  checks.check('and does no more than it was given', (await status('POST', '/api/v1/enrol-codes')) === 403)
  await show(page, { hash: '#/account', ready: '[data-session]' })
  await show(page, { hash: '#/access', ready: '[data-token]' })
  checks.check('it is shown once', !(await page.locator('main').innerText()).includes(secret))
  await page.locator('[data-token] button').first().click()
  await checks.eventually('revoked it opens nothing', async () => (await status('GET', '/api/v1/points')) === 401)
  await context.close()
}
