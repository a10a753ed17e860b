/** From what a person chose on the first-run page to the one command for the gateway. Pure. */

export interface Quantity {
  id: string
  name: { zh: string; en: string }
  /** Absent: it is set in the instrument, so a person says it. */
  unit: string | null
  /** The entry stands for many. */
  many: boolean
}

export interface Instrument {
  id: string
  name: { zh: string; en: string }
  verified: string
  serial: { baud?: number; parity?: string; stop_bits?: number; unit?: number } | null
  quantities: readonly Quantity[]
}

export type BusKind = 'tcp' | 'rtu_over_tcp' | 'rtu'

export interface Device {
  instrument: string
  unit: number
  /** Empty: every quantity. */
  quantities: readonly { id: string; unit: string }[]
}

export interface Wish {
  gateway: string
  zh: string
  en: string
  /** group/company/mine/facility. */
  place: string
  bus: { kind: BusKind; host: string; port: number; path: string; baud: number; parity: string; stopBits: number }
  devices: readonly Device[]
  /** How headquarters is reached: by a code, or by its broker alone. */
  way: { url: string; code: string; fingerprint: string } | { broker: string }
  /** Without the package: where the files go. */
  own: { site: string; state: string; sensors: string } | null
}

/** A word as a POSIX shell reads it back. */
export const quoted = (word: string): string => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

function busOf({ kind, host, port, path, baud, parity, stopBits }: Wish['bus']): string {
  const name = host.includes(':') ? `[${host}]` : host
  return kind === 'rtu' ? `rtu:${path}:${baud}:${parity}:${stopBits}` : `${kind}:${name}:${port}`
}

export function deviceOf({ instrument, unit, quantities }: Device): string {
  const some = quantities.map((one) => (one.unit === '' ? one.id : `${one.id}=${one.unit}`)).join(',')
  return `${instrument}@${unit}${some === '' ? '' : `:${some}`}`
}

/** The command, one option a line. */
export function commandOf(wish: Wish): string {
  const options: [string, string][] = [
    ['gateway', wish.gateway],
    ['name-zh', wish.zh],
    ['name-en', wish.en],
    ['place', wish.place],
    ['bus', busOf(wish.bus)],
    ...wish.devices.map((device): [string, string] => ['device', deviceOf(device)]),
  ]
  if ('broker' in wish.way) options.push(['broker', wish.way.broker])
  else options.push(['enrol', wish.way.url], ['code', wish.way.code], ['ca-fingerprint', wish.way.fingerprint])
  if (wish.own) {
    options.push(['site', wish.own.site], ['state', wish.own.state])
    if (wish.own.sensors !== '') options.push(['sensors', wish.own.sensors])
  }
  const program = wish.own ? 'minewatch-gateway' : 'sudo minewatch-gateway'
  return [`${program} init`, ...options.map(([name, value]) => `  --${name} ${quoted(value)}`)].join(' \\\n')
}

/** What starts it afterwards. */
export const startOf = (own: Wish['own']): string =>
  own ? `minewatch-gateway run ${quoted(own.site)}` : 'sudo systemctl start minewatch-gateway'

/** Units to register so that the whole path has names; from the group down. */
export function unitsOf(levels: readonly { id: string; zh: string; en: string }[]): { org: string; zh: string; en: string }[] {
  return levels.map((level, at) => ({ org: levels.slice(0, at + 1).map((one) => one.id).join('/'), zh: level.zh, en: level.en }))
}
