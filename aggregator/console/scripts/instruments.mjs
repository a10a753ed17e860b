// The instruments the gateway comes with, for the first-run page: read from their files when the page is built.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'

const ID = 'virtual:instruments'

export function instrumentsOf(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.toml'))
    .sort()
    .map((name) => {
      const { id, name: names, verified, serial, quantity } = parse(readFileSync(join(folder, name), 'utf8'))
      const quantities = quantity.map((one) => ({ id: one.id, name: one.name, unit: one.unit ?? null, many: one.repeat !== undefined }))
      return { id, name: names, verified, serial: serial ?? null, quantities }
    })
}

/** As a module of the build. */
export function instruments(folder) {
  return {
    name: 'instruments',
    resolveId: (source) => (source === ID ? `\0${ID}` : undefined),
    load: (id) => (id === `\0${ID}` ? `export default ${JSON.stringify(instrumentsOf(folder))}` : undefined),
  }
}
