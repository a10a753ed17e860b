// What the checks of a signed-in console share: people, addresses, screens.
const env = process.env
export const BASE = env.MINEWATCH_URL
export const FIRST = { person: env.MINEWATCH_PERSON, password: env.MINEWATCH_PASSWORD }
export const FALL = env.MINEWATCH_FALL === '1'
const PASSWORD = 'vier Krähen am Deich 9'

/** Every screen, and what says that it is there with its data. */
export const SCREENS = [
  { name: 'live', hash: '#/', ready: '[data-point]' },
  { name: 'alarms', hash: '#/alarms?sel=gw-demo/qingshan-1.pond', ready: '[data-detail][data-loaded=true] [data-testid=proof]' },
  { name: 'map', hash: '#/map', ready: '[data-map=gl][data-ready=true] [data-site], [data-map=svg] [data-site]' },
  { name: 'plan', hash: '#/map?view=plan', ready: '[data-map=svg] [data-site]' },
  { name: 'dam', hash: '#/dams/gw-demo', ready: '[data-section] [data-testid=phreatic][d^=M]' },
  { name: 'trends', hash: '#/trends?p=gw-demo/pond.level,gw-demo/pz13.level&range=1h', ready: '[data-testid=chart] canvas' },
  { name: 'cameras', hash: '#/cameras', ready: '[data-camera]' },
  { name: 'cases', hash: '#/cases', ready: '[data-case]' },
  { name: 'business', hash: '#/business', ready: '[data-testid=warnings]', picture: false },
  { name: 'gateways', hash: '#/gateways', ready: '[data-gateway]' },
  { name: 'kpi', hash: '#/kpi', ready: '[data-target]' },
  { name: 'wall', hash: '#/wall?hold=1', ready: '[data-count]' },
  { name: 'admin', hash: '#/admin', ready: '#channels-title' },
  { name: 'duty', hash: '#/duty', ready: '#parties-title' },
  { name: 'access', hash: '#/access', ready: '[data-session]' },
  { name: 'report', hash: '#/report/gw-demo', ready: '[data-made=true]' },
  { name: 'start', hash: '#/start', ready: '[data-testid=heard]' },
  { name: 'people', hash: '#people', ready: '[data-person]' },
  { name: 'audit', hash: '#audit', ready: 'tbody tr' },
  { name: 'account', hash: '#account', ready: '[data-session]' },
]

export async function signIn(page, { person, password }) {
  await page.fill('input[name=person]', person)
  await page.fill('input[name=password]', password)
  await page.click('main form button')
  await page.locator('nav a').first().waitFor()
}

export async function show(page, screen) {
  await page.evaluate((hash) => {
    location.hash = hash
  }, screen.hash)
  await page.locator(screen.ready).first().waitFor({ timeout: 30_000 })
}

/** Asks with the cookie of the page's own context. */
export async function ask(page, method, path, data) {
  const answer = await page.request.fetch(new URL(path, BASE).href, { method, data, headers: { origin: new URL(BASE).origin } })
  const body = await answer.text()
  return { status: answer.status(), body: body === '' ? null : JSON.parse(body) }
}

/** A new person with this role; returns how to sign in. */
export async function hire(page, browser, person, role, org = '/') {
  const made = await ask(page, 'POST', '/api/v1/people', { person, name: person })
  if (made.status >= 300) throw new Error(`hire ${person}: ${made.status} ${JSON.stringify(made.body)}`)
  await ask(page, 'PUT', `/api/v1/people/${person}/grants`, { grants: [{ role, org, domains: ['*'] }] })
  const context = await browser.newContext()
  const first = await context.newPage()
  await ask(first, 'POST', '/api/v1/sign-in', { person, password: made.body.password })
  const changed = await ask(first, 'POST', '/api/v1/me/password', { old: made.body.password, new: PASSWORD })
  if (changed.status >= 300) throw new Error(`password of ${person}: ${changed.status} ${JSON.stringify(changed.body)}`)
  await context.close()
  return { person, password: PASSWORD }
}

