// Size and origin rules of the built page; fails with a list of what is broken.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const KB = 1024
const ENTRY_GZ_MAX = 60 * KB
const LAZY_GZ_MAX = 40 * KB
/** MapLibre with its worker and styles, loaded with the map only. */
const MAP_GZ_MAX = 460 * KB
/** On the server's disk and in its binary, not on the line: the map and its worker are 1.5 MB of it; every screen is loaded alone. */
const TOTAL_RAW_MAX = 2.5 * KB * KB

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist')
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
const gz = (file) => gzipSync(readFileSync(file), { level: 9 }).length
const html = readFileSync(join(dist, 'index.html'), 'utf8')
const problems = []

const entry = [...html.matchAll(/<(?:script|link)\b[^>]*?(?:src|href)="([^"]+\.(?:js|css))"/g)].map((m) => join(dist, m[1]))
const entryGz = entry.reduce((sum, file) => sum + gz(file), 0)
if (entry.length === 0) problems.push('index.html names no script')
if (entryGz > ENTRY_GZ_MAX) problems.push(`entry JS+CSS is ${entryGz} B gzipped, ${ENTRY_GZ_MAX} allowed`)

const ofMap = (file) => /\/(MapGl|maplibre-gl-worker)-[^/]*\.(js|css)$/.test(file)
const mapGz = files.filter(ofMap).reduce((sum, file) => sum + gz(file), 0)
if (mapGz === 0) problems.push('the map is not there')
if (mapGz > MAP_GZ_MAX) problems.push(`the map is ${mapGz} B gzipped, ${MAP_GZ_MAX} allowed`)
if (entry.some(ofMap)) problems.push('the map is loaded with the first page')

for (const file of files) {
  const lazy = /\.(js|css)$/.test(file) && !entry.includes(file) && !ofMap(file)
  if (lazy && gz(file) > LAZY_GZ_MAX) problems.push(`${relative(dist, file)} is ${gz(file)} B gzipped, ${LAZY_GZ_MAX} allowed`)
  if (/\.(woff2?|ttf|otf)$/.test(file)) problems.push(`${relative(dist, file)} is a web font`)
}
const raw = files.reduce((sum, file) => sum + statSync(file).size, 0)
if (raw > TOTAL_RAW_MAX) problems.push(`the page is ${raw} B, ${TOTAL_RAW_MAX} allowed`)

if (/<script(?![^>]*\bsrc=)/.test(html)) problems.push('inline script in index.html')
if (/<style|\sstyle="|\son\w+="/.test(html)) problems.push('inline style or handler in index.html')
if (/(?:src|href)="(?:https?:)?\/\//.test(html)) problems.push('index.html names another origin')

console.log(`entry ${(entryGz / KB).toFixed(1)} KB gz of ${ENTRY_GZ_MAX / KB}, map ${(mapGz / KB).toFixed(0)} KB gz of ${MAP_GZ_MAX / KB}, total ${(raw / KB).toFixed(0)} KB raw`)
for (const problem of problems) console.error(`budget: ${problem}`)
process.exit(problems.length > 0 ? 1 : 0)
