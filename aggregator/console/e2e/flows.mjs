// What people do, each as one check or a few: in the page, against the real programs.
import { ask, BASE, show, SCREENS, signIn } from './signed.mjs'
import { openPage } from './browser.mjs'

const screen = (name) => SCREENS.find((one) => one.name === name)
const standing = async (page) => (await ask(page, 'GET', '/api/v1/annunciator?limit=1000')).body.rows
const keyOf = (row) => `${row.gateway}/${row.alarm}`
const open = (page, key) => show(page, { hash: `#/alarms?sel=${encodeURIComponent(key)}`, ready: `[data-detail="${key}"]` })

/** An unacknowledged alarm of this sort that nobody has touched yet in this run. */
const used = new Set()
async function unacked(page, fits = () => true) {
  const row = (await standing(page)).find((one) => one.handling && !one.handling.acked && !one.handling.kept_back && !used.has(keyOf(one)) && fits(one))
  if (!row) throw new Error('no unacknowledged alarm is left for this check')
  used.add(keyOf(row))
  return row
}

/** Somebody else is faster by a moment: the order is refused, the page says so, nothing is done. */
export async function staleRefused(checks, page) {
  const row = await unacked(page)
  await open(page, keyOf(row))
  const once = { times: 1 }
  await page.route('**/api/v1/alarms/**/acknowledge', async (route) => {
    const now = (await standing(page)).find((one) => keyOf(one) === keyOf(row))
    const path = `/api/v1/alarms/${row.gateway}/${row.alarm}`
    const hours = new Date(Date.now() + 3_600_000).toISOString()
    // The other one shelves it meanwhile; of red that needs a second person, so it is silenced.
    const other = row.level === 'red' ? ['silence', {}] : ['shelve', { reason: 'e2e', until: hours }]
    await ask(page, 'POST', `${path}/${other[0]}`, { version: now.handling.version, ...other[1] })
    await route.continue()
  }, once)
  const answer = page.waitForResponse((response) => response.url().includes('/acknowledge'))
  await page.locator(`[data-detail="${keyOf(row)}"] [data-act=acknowledge]`).click()
  const status = (await answer).status()
  await checks.eventually('a stale acknowledgement is refused, and the page says so', async () => status === 409 && /已变化/.test(await page.locator('[data-testid=said]').innerText()))
  const now = (await standing(page)).find((one) => keyOf(one) === keyOf(row))
  checks.check('and it was not acknowledged', now !== undefined && !now.handling.acked)
}

/** What one browser does stands in the other one within seconds. */
export async function twoInStep(checks, browser, page, second) {
  const row = await unacked(page)
  const { context, page: other } = await openPage(browser, BASE)
  await signIn(other, second)
  await open(page, keyOf(row))
  await show(other, screen('alarms'))
  await other.fill('input[name=q]', row.alarm)
  const there = other.locator(`[data-alarm="${keyOf(row)}"]`)
  await there.waitFor()
  const before = await there.getAttribute('data-isa')
  await page.locator(`[data-detail="${keyOf(row)}"] [data-act=acknowledge]`).click()
  await checks.eventually('an acknowledgement is seen in the other browser', async () => (await there.count()) === 0 || ((await there.getAttribute('data-isa')) !== before && (await there.locator('[data-act=acknowledge]').count()) === 0), 5_000)
  const streams = await other.context().newPage()
  await streams.goto(BASE, { waitUntil: 'load' })
  await streams.locator('[data-link=live]').waitFor()
  await streams.locator('[data-point]').first().waitFor()
  const asked = await streams.evaluate(() => performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/v1/stream')).length)
  checks.check('a second page of one browser opens no stream of its own', asked === 0, `${asked} streams`)
  await other.close()
  await checks.eventually('and reads for itself when the first one goes', () => streams.evaluate(() => performance.getEntriesByType('resource').some((entry) => entry.name.includes('/api/v1/stream')) || document.querySelector('[data-link=live]') !== null))
  await context.close()
}

/** From the sign-in to an acknowledged alarm without a mouse. */
export async function keyboardOnly(checks, browser, who) {
  const { context, page } = await openPage(browser, BASE)
  await page.locator('input[name=person]').waitFor()
  const type = async (name, text) => {
    for (let n = 0; n < 20 && (await page.evaluate(() => document.activeElement?.getAttribute('name'))) !== name; n += 1) await page.keyboard.press('Tab')
    await page.keyboard.type(text)
  }
  await type('person', who.person)
  await type('password', who.password)
  await page.keyboard.press('Enter')
  await page.locator('nav a').first().waitFor()
  const at = (selector) => page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)
  for (let n = 0; n < 40 && !(await at('nav a[href="#/alarms"]')); n += 1) await page.keyboard.press('Tab')
  checks.check('the alarms page is reached with Tab', await at('nav a[href="#/alarms"]'))
  await page.keyboard.press('Enter')
  await page.locator('[data-testid=annunciator] [data-alarm]').first().waitFor()
  const outlined = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none')
  checks.check('the focus is seen', outlined)
  for (let n = 0; n < 60 && !(await at('[data-testid=annunciator] .open')); n += 1) await page.keyboard.press('Tab')
  let key = ''
  for (let n = 0; n < 60; n += 1) {
    await page.keyboard.press('j')
    key = new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1] ?? '').get('sel') ?? ''
    if ((await page.locator(`[data-detail="${key}"] [data-act=acknowledge]`).count()) > 0) break
  }
  await page.keyboard.press('a')
  await checks.eventually('an alarm is chosen with J and acknowledged with A', async () => (await standing(page)).find((row) => keyOf(row) === key)?.handling.acked !== false)
  used.add(key)
  await context.close()
}

/** The pages about people and the audit trail are not offered, where they would stand. */
async function hidden(page) {
  await show(page, screen('admin'))
  return (await page.locator('nav a[href="#people"], nav a[href="#audit"]').count()) === 0
}

/** A viewer is refused and told so; somebody of another company sees nothing of this one. */
export async function rights(checks, browser, { viewer, other }) {
  const { context, page } = await openPage(browser, BASE)
  await signIn(page, viewer)
  await show(page, screen('alarms'))
  const button = page.locator('[data-detail] [data-act=acknowledge], [data-testid=annunciator] [data-act=acknowledge]').first()
  if ((await button.count()) > 0) {
    await button.click()
    await checks.eventually('a viewer may not acknowledge, and is told', async () => /没有权限/.test(await page.locator('[data-testid=said]').innerText()))
  } else checks.check('a viewer may not acknowledge, and is told', false, 'no unacknowledged alarm left')
  checks.check('a viewer sees neither people nor audit', await hidden(page))
  await context.close()
  const foreign = await openPage(browser, BASE)
  await signIn(foreign.page, other)
  await foreign.page.locator('[data-link=live]').waitFor()
  await foreign.page.locator('[data-testid=no-alarms]').waitFor()
  const seen = await foreign.page.locator('[data-point], [data-gateway], [data-alarm]').count()
  const asked = await ask(foreign.page, 'GET', '/api/v1/alarms/gw-demo/qingshan-1.pond/proof')
  checks.check('another company sees no point, gateway or alarm of this one', seen === 0, `${seen}`)
  checks.check('and is told there is no such proof', asked.status === 404, `${asked.status}`)
  const sites = await ask(foreign.page, 'GET', '/api/v1/sites')
  checks.check('nor an outline of its site', sites.status === 200 && sites.body.length === 0, JSON.stringify(sites.body))
  await foreign.context.close()
}

/** Everything that was seen is acknowledged at once, but for red. */
export async function bulkNeverRed(checks, page) {
  const before = await standing(page)
  const open_ = (rows, red) => rows.filter((row) => (row.level === 'red') === red && row.handling && !row.handling.acked && !row.handling.kept_back)
  await show(page, screen('alarms'))
  await page.evaluate(() => (location.hash = '#/alarms'))
  await page.setViewportSize({ width: 1440, height: 3_200 })
  await page.locator('[data-testid=annunciator] [data-alarm]').first().waitFor()
  checks.check('a red row cannot be marked', (await page.locator('[data-level=red] input[type=checkbox]:not([disabled])').count()) === 0)
  await page.getByRole('button', { name: '勾选已看到的（不含红色）' }).click()
  const bulk = page.locator('[data-testid=bulk]')
  const marked = Number(/\d+/.exec(await bulk.innerText())?.[0] ?? 0)
  if (marked > 0) {
    await bulk.click()
    await checks.eventually('seen rows are acknowledged together', async () => /已确认 \d+ 条/.test(await page.locator('[data-testid=said]').innerText()))
  }
  const after = new Map((await standing(page)).map((row) => [keyOf(row), row]))
  const red = open_(before, true).filter((row) => after.get(keyOf(row))?.handling.acked && after.get(keyOf(row)).level === 'red')
  checks.check('and no red one with them', red.length === 0, red.map(keyOf).join(' '))
  await page.setViewportSize({ width: 1440, height: 900 })
}

/** The fall's card has its clip, the clip plays, and a person says what it was. */
export async function fallWithClip(checks, page) {
  await show(page, screen('cameras'))
  const card = page.locator('[data-fall]').first()
  await card.waitFor()
  if ((await card.locator('video').count()) === 0) await card.locator('button').first().click().catch(() => undefined)
  await card.locator('video').first().waitFor({ timeout: 20_000 })
  const played = await card.locator('video').first().evaluate(async (video) => {
    video.muted = true
    await video.play()
    await new Promise((done) => {
      video.ontimeupdate = () => video.currentTime > 0.2 && done()
      setTimeout(done, 10_000)
    })
    return { at: video.currentTime, width: video.videoWidth }
  })
  checks.check('the clip of the fall plays', played.at > 0.2 && played.width > 0, JSON.stringify(played))
  const drill = card.locator('[data-review=drill]')
  await drill.waitFor()
  await drill.click()
  await checks.eventually('a drill is reviewed as one', async () => {
    const cases = (await ask(page, 'GET', '/api/v1/cases?state=all&domain=fall')).body.rows
    return cases.some((one) => one.state === 'false_positive' && one.reason === '演练')
  })
}

const PHOTO = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

/** What is done next in a case, by whom, with which words; a storm may raise a case anew while it is handled. */
const NEXT = {
  raised: ['first', 'acknowledge'],
  pushed: ['first', 'acknowledge'],
  reopened: ['first', 'acknowledge'],
  acknowledged: ['first', 'assign', { to: process.env.MINEWATCH_PERSON }],
  assigned: ['first', 'start'],
  rectifying: ['first', 'submit', { cause: '暴雨', measure: '降低库水位' }],
  submitted: ['second', 'verify'],
  verified: ['second', 'close'],
}

/** From an open case to a closed one, in two browsers; who submitted it cannot verify it. */
export async function closeCase(checks, browser, page, second) {
  const it = (await ask(page, 'GET', '/api/v1/cases?state=open&domain=dam')).body.rows[0]
  const { context, page: other } = await openPage(browser, BASE)
  await signIn(other, second)
  const case_ = (state = '') => `section[data-case="${it.id}"]${state && `[data-state="${state}"]`}`
  await Promise.all([page, other].map((on) => show(on, { hash: `#/cases/${it.id}`, ready: case_() })))
  await page.setInputFiles(`${case_()} input[type=file]`, { name: 'photo.png', mimeType: 'image/png', buffer: PHOTO })
  await checks.eventually('a photo is added to a case', () => page.getByText('photo.png').isVisible())
  let refused = false
  const until = Date.now() + 90_000
  for (;;) {
    const { state } = (await ask(page, 'GET', `/api/v1/cases/${it.id}`)).body.case
    if (state === 'closed' || Date.now() > until) break
    const [who, act, fields] = NEXT[state] ?? []
    if (!act) throw new Error(`a case in state ${state}`)
    if (state === 'submitted' && !refused) {
      // The same person tries first.
      await page.locator(`${case_('submitted')} [data-act=verify]`).click({ timeout: 10_000 }).catch(() => undefined)
      await page.locator('[data-testid=said]').waitFor({ timeout: 10_000 }).catch(() => undefined)
      const now = (await ask(page, 'GET', `/api/v1/cases/${it.id}`)).body.case
      refused = now.verified_by === null && (await page.locator('[data-testid=said]').count()) > 0
    }
    const on = who === 'first' ? page : other
    const button = on.locator(`${case_(state)} [data-act="${act}"]`)
    if (!(await button.waitFor({ timeout: 8_000 }).then(() => true, () => false))) continue
    await button.click()
    if (fields) {
      for (const [name, text] of Object.entries(fields)) await on.fill(`dialog input[name=${name}]`, text)
      await on.click('dialog button[type=submit]')
    }
    await on.locator(case_(state)).waitFor({ state: 'detached', timeout: 8_000 }).catch(() => undefined)
  }
  checks.check('who submitted a case cannot verify it, and is told', refused)
  const detail = (await ask(page, 'GET', `/api/v1/cases/${it.id}`)).body
  const { state, verified_by, submitted_by } = detail.case
  checks.check('storm to closed case with evidence and a second person', state === 'closed' && verified_by === second.person && submitted_by !== second.person && detail.evidence.length === 1, JSON.stringify(detail.case))
  // The storm goes on: a further alarm may open it again.
  await checks.eventually('both browsers show the case as it is', async () => {
    const now = (await ask(page, 'GET', `/api/v1/cases/${it.id}`)).body.case.state
    return (await page.locator(case_(now)).count()) + (await other.locator(case_(now)).count()) === 2
  })
  const pack = await ask(page, 'GET', `/api/v1/cases/${it.id}/pack?format=json&lang=zh`)
  checks.check('its evidence pack is exported', pack.status === 200 && typeof pack.body.sha256 === 'string', `${pack.status}`)
  await context.close()
}
