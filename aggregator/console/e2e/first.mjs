// From an empty headquarters to a first value, following only what the page says: set-up, second factor,
// organisation, and the two commands it shows, run by a shell as they stand there.
import { createHmac } from 'node:crypto'
import { spawn } from 'node:child_process'
import { axe, Checks, launch } from './browser.mjs'

const env = process.env
const BASE = env.MINEWATCH_URL
const PASSWORD = 'fünf Dohlen auf der Halde 7'
const checks = new Checks()

/** The code an authenticator shows (RFC 6238). */
function totp(secret, now = Date.now()) {
  const bits = [...secret.replace(/[\s=]/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)))
  const hash = createHmac('sha1', key).update(counter).digest()
  const at = hash[19] & 15
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** Runs a command as a person at the gateway would paste it. */
function shell(command) {
  const child = spawn('/bin/sh', ['-c', command], { cwd: env.MINEWATCH_SITE_FOLDER, env: { ...env, PATH: `${env.MINEWATCH_PROGRAMS}:${env.PATH}` }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  child.stderr.on('data', (text) => (said += text))
  return { child, said: () => said, ended: new Promise((done) => child.on('close', (code) => done(code))) }
}

const browser = await launch()
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'zh-CN', ignoreHTTPSErrors: true })
const page = await context.newPage()
const began = Date.now()
let gateway
try {
  await page.goto(BASE, { waitUntil: 'load' })
  const setup = page.locator('[data-testid=setup]')
  await setup.waitFor()
  await setup.locator('input[name=token]').fill(env.MINEWATCH_SETUP_TOKEN)
  await setup.locator('input[name=person]').first().fill('li.wei')
  await setup.locator('input[name=name]').first().fill('李伟')
  await setup.locator('input[name=password]').first().fill(PASSWORD)
  await setup.locator('button').click()
  const door = page.locator('[data-testid=sign-in]')
  await door.waitFor()
  await door.locator('input[name=password]').fill(PASSWORD)
  await door.locator('button').click()
  await page.locator('[data-testid=must]').waitFor()
  await page.getByRole('button', { name: '启用' }).first().click()
  const secret = await page.locator('[data-testid=secret]').innerText()
  await page.fill('input[name=code]', totp(secret))
  await page.locator('form:has(input[name=code]) button').click()
  await page.locator('[data-testid=codes] button').click()
  await page.locator('nav a[href="#/start"]').click()
  await checks.eventually('an empty headquarters offers to begin', () => page.locator('[data-step=organisation][data-done=false]').isVisible())
  for (const [level, id, zh, en] of [['group', 'copper', '铜业集团', 'Copper group'], ['company', 'south', '南方公司', 'South'], ['mine', 'linchong', '林冲矿', 'Linchong'], ['facility', 'pond-1', '一号尾矿库', 'Pond 1']]) {
    await page.fill(`input[name=${level}-id]`, id)
    await page.fill(`input[name=${level}-zh]`, zh)
    await page.fill(`input[name=${level}-en]`, en)
  }
  await page.locator('[data-step=organisation] form button').click()
  await page.locator('[data-step=organisation][data-done=true]').waitFor()
  checks.check('the organisation has four levels', (await page.locator('[data-testid=units]').innerText()).includes('copper/south/linchong/pond-1'))
  await page.selectOption('select[name=instrument]', 'sim-dam-pond')
  await page.locator('[data-form=device] button').click()
  await page.fill('input[name=gateway]', 'gw-linchong')
  await page.fill('input[name=host]', '127.0.0.1')
  await page.fill('input[name=port]', env.MINEWATCH_MODBUS_PORT)
  await page.check('input[name=trial]')
  await page.fill('input[name=own-sensors]', env.MINEWATCH_SENSORS)
  const found = await axe(page)
  checks.check('WCAG 2.2 AA (axe)', found.length === 0, found.join('\n       '))
  await page.locator('[data-form=gateway] > button').click()
  const command = await page.locator('[data-testid=command]').innerText()
  checks.check('the command carries a code and the authority', /--code \S+/.test(command) && /--ca-fingerprint [0-9a-f]{64}/.test(command))
  const init = shell(command)
  const ended = await init.ended
  if (ended !== 0) throw new Error(`the command of the page failed (${ended}): ${command}\n${init.said()}`)
  checks.check('the command of the page runs at the gateway', true)
  const again = shell(command)
  checks.check('and touches nothing when it is run again', (await again.ended) !== 0 && /nothing was changed/.test(again.said()), again.said())
  gateway = shell(await page.locator('[data-testid=start]').innerText())
  gateway.child.on('exit', (code) => code && console.log(gateway.said()))
  await checks.eventually('a live value appears by itself', () => page.locator('[data-testid=heard]').isVisible(), 90_000)
  console.log(`     ${await page.locator('[data-testid=heard]').innerText().catch(() => gateway.said().slice(-600))}`)
  const audit = await page.request.get(new URL('/api/v1/audit', BASE).href)
  const entries = JSON.stringify(await audit.json())
  const code = /--code (\S+)/.exec(command)?.[1] ?? 'none'
  checks.check('the code was recorded as given by this person, without itself', entries.includes('gateway.enrol_code') && !entries.includes(code))
  await page.locator('[data-testid=heard] ~ p a').click()
  await checks.eventually('and on the live page', async () => (await page.locator('[data-trust=good]').count()) > 0)
  console.log(`     ${Math.round((Date.now() - began) / 1000)} s from the empty page to the live value`)
} catch (error) {
  checks.check('the page leads on', false, `${error}\n${await page.locator('body').innerText().catch(() => '')}`)
} finally {
  try {
    if (gateway) process.kill(-gateway.child.pid, 'SIGTERM')
  } catch {
    // It has ended by itself; what it said is above.
  }
  await browser.close()
}
console.log(checks.failed === 0 ? 'all checks hold' : `${checks.failed} checks failed`)
process.exit(checks.failed === 0 ? 0 : 1)
