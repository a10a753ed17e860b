import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { instrumentsOf } from '../scripts/instruments.mjs'
import { commandOf, deviceOf, quoted, startOf, unitsOf, type Wish } from '../src/lib/first'
import { START } from '../src/lib/words.start'

const wish: Wish = {
  gateway: 'gw-1', zh: "一号'库", en: 'Pond $(1)', place: 'g/c/m/f',
  bus: { kind: 'tcp', host: 'fe80::1', port: 502, path: '/dev/ttyS0', baud: 9600, parity: 'none', stopBits: 1 },
  devices: [{ instrument: 'vegapuls-60', unit: 7, quantities: [{ id: 'pv', unit: 'm' }, { id: 'sv', unit: '' }] }, { instrument: 'sim-dam-pond', unit: 1, quantities: [] }],
  way: { url: 'https://hq:8443', code: 'ABC-1', fingerprint: 'aa' }, own: null,
}

it('writes a command that a shell reads back word for word', () => {
  const command = commandOf(wish).replace('sudo minewatch-gateway', 'printf "%s\\n"')
  const words = execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' }).trimEnd().split('\n')
  expect(words).toEqual(['init', '--gateway', 'gw-1', '--name-zh', "一号'库", '--name-en', 'Pond $(1)', '--place', 'g/c/m/f', '--bus', 'tcp:[fe80::1]:502', '--device', 'vegapuls-60@7:pv=m,sv', '--device', 'sim-dam-pond@1', '--enrol', 'https://hq:8443', '--code', 'ABC-1', '--ca-fingerprint', 'aa'])
  expect(quoted('a b')).toBe("'a b'")
  expect(deviceOf({ instrument: 'x', unit: 3, quantities: [] })).toBe('x@3')
})

it('names the folders of a trial, the broker where there is no code, and a serial line', () => {
  const command = commandOf({ ...wish, bus: { ...wish.bus, kind: 'rtu' }, way: { broker: 'mqtt://hq:1883' }, own: { site: './s.toml', state: './st', sensors: 'sensors' } })
  expect(command).toMatch(/^minewatch-gateway init/)
  expect(command).toContain('--bus rtu:/dev/ttyS0:9600:none:1')
  expect(command).toContain('--broker mqtt://hq:1883')
  expect(command).toContain('--site ./s.toml')
  expect(command).not.toContain('--code')
  expect([startOf(null), startOf({ site: './s.toml', state: '', sensors: '' })]).toEqual(['sudo systemctl start minewatch-gateway', 'minewatch-gateway run ./s.toml'])
})

it('registers every level of the organisation from the group down', () => {
  const one = (id: string) => ({ id, zh: id, en: id })
  expect(unitsOf(['g', 'c', 'm', 'f'].map(one)).map((unit) => unit.org)).toEqual(['g', 'g/c', 'g/c/m', 'g/c/m/f'])
})

it('offers every instrument that is shipped, with names in both languages and its quantities', () => {
  const all = instrumentsOf(new URL('../../../firmware-configs/sensors', import.meta.url).pathname)
  expect(all.length).toBeGreaterThan(20)
  for (const one of all) {
    expect(one.name.zh && one.name.en && one.quantities.length > 0, one.id).toBeTruthy()
    expect(START.zh).toHaveProperty(one.verified)
  }
})
