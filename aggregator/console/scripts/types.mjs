// Writes the types of the HTTP interface from its OpenAPI description.
//
//   aggregator openapi | node scripts/types.mjs            writes src/lib/openapi.ts
//   aggregator openapi | node scripts/types.mjs --check    fails when that file is stale
//
// Each schema becomes an interface; `Paths` says what a GET of each route answers.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(new URL('../src/lib/openapi.ts', import.meta.url))
const word = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

/** A schema as a type; what the description leaves open is `unknown`. */
function type(schema) {
  if (!schema) return 'unknown'
  if (schema.$ref) return schema.$ref.split('/').at(-1)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.oneOf || schema.anyOf) return [...new Set((schema.oneOf ?? schema.anyOf).map(type))].join(' | ')
  if (schema.allOf) return schema.allOf.map(type).join(' & ')
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one })).join(' | ')
  if (schema.type === 'array' && schema.prefixItems) return `[${schema.prefixItems.map(type).join(', ')}]`
  if (schema.type === 'array') return `(${type(schema.items)})[]`
  if (schema.type === 'object' || schema.properties) return object(schema)
  return { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' }[schema.type] ?? 'unknown'
}

function object(schema) {
  const fields = Object.entries(schema.properties ?? {})
  if (fields.length === 0) return `Record<string, ${schema.additionalProperties ? type(schema.additionalProperties) : 'unknown'}>`
  const required = new Set(schema.required ?? [])
  // The server always writes its optional fields, as null.
  return `{ ${fields.map(([name, of]) => `${word(name)}${required.has(name) || type(of).includes('null') ? '' : '?'}: ${type(of)}`).join('; ')} }`
}

export function generate(description) {
  const schemas = Object.entries(description.components?.schemas ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = ['/** Made by scripts/types.mjs from the OpenAPI description of the aggregator; `make openapi` makes it anew. */', '']
  for (const [name, schema] of schemas) lines.push(`export type ${name} = ${type(schema)}`)
  lines.push('', '/** What a GET of each route answers. */', 'export interface Paths {')
  for (const [path, methods] of Object.entries(description.paths).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const body = methods.get?.responses?.['200']?.content?.['application/json']?.schema
    if (body) lines.push(`  ${JSON.stringify(path)}: ${type(body)}`)
  }
  lines.push('}', '')
  return lines.join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = generate(JSON.parse(readFileSync(0, 'utf8')))
  if (!process.argv.includes('--check')) {
    writeFileSync(FILE, made)
    console.log(FILE)
  } else if (readFileSync(FILE, 'utf8') !== made) {
    console.error('src/lib/openapi.ts is stale: run `make openapi`')
    process.exit(1)
  } else console.log('src/lib/openapi.ts is what the aggregator describes')
}
