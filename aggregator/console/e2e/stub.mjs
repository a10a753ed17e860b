// A small aggregator for the browser test: the HTTP contract with invented data, and switches to
// break it. Never shipped. `node e2e/stub.mjs [port]` serves dist/ for working on the page.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist')
const LOG_MAX = 200
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
const started = new Date(Date.now() - 86_400_000 * 3).toISOString()
const ago = (ms) => new Date(Date.now() - ms).toISOString()

function point(gateway, id, zh, en, unit, base, swing, high = {}, low = {}, fault = null) {
  const device = id.split('.')[0]
  const all = { blue: null, yellow: null, orange: null, red: null }
  return {
    spec: { gateway, point: id, device, name: { zh, en }, unit, period_ms: 1000, keep_alive_ms: 10_000, high: { ...all, ...high }, low: { ...all, ...low } },
    base, swing, fault, phase: Math.random() * 6,
  }
}

const GATEWAYS = [
  { gateway: 'gw-linchong-01', zh: '林冲尾矿库', en: 'Linchong tailings pond', facility: 'linchong', state: 'online', backlog: 0, losses: 2, config: '9f3c71d2a84be055c1f7' },
  { gateway: 'gw-yangshan-02', zh: '杨山冲尾矿库', en: 'Yangshanchong tailings pond', facility: 'yangshanchong', state: 'offline', backlog: 1284, losses: 5, config: '41b09ee7735dc2aa0e19' },
]
const POINTS = [
  point('gw-linchong-01', 'wl-01.level', '库水位', 'Pond water level', 'm', 118.42, 0.05, { blue: 118, yellow: 118.3, orange: 118.6, red: 119 }),
  point('gw-linchong-01', 'wl-01.freeboard', '安全超高', 'Freeboard', 'm', 1.58, 0.04, {}, { blue: 1.2, yellow: 1, orange: 0.8, red: 0.5 }),
  point('gw-linchong-01', 'pz-01.level', '浸润线 1 号孔', 'Phreatic line, hole 1', 'm', 6.214, 0.02, {}, { yellow: 5, orange: 4.5, red: 4 }),
  point('gw-linchong-01', 'pz-02.level', '浸润线 2 号孔', 'Phreatic line, hole 2', 'm', 3.905, 0.03, {}, { yellow: 5, orange: 4.5, red: 4 }),
  point('gw-linchong-01', 'pz-03.level', '浸润线 3 号孔', 'Phreatic line, hole 3', 'm', 5.871, 0.02, {}, { yellow: 5, orange: 4.5, red: 4 }, { quality: 'bad', reason: 'timeout', value: null }),
  point('gw-linchong-01', 'gn-01.dx', '坝顶位移 X', 'Crest displacement X', 'mm', 12.4, 0.8, { blue: 20, yellow: 30, orange: 40, red: 50 }),
  point('gw-linchong-01', 'gn-01.dz', '坝顶沉降', 'Crest settlement', 'mm', 41.2, 0.5, { blue: 20, yellow: 30, orange: 40, red: 50 }),
  point('gw-linchong-01', 'sf-01.flow', '渗流量', 'Seepage flow', 'L/s', 3.27, 0.2, { yellow: 6, orange: 8, red: 10 }, {}, { quality: 'uncertain', reason: 'stuck' }),
  point('gw-linchong-01', 'tb-01.turbidity', '渗流水浊度', 'Seepage turbidity', 'NTU', 8.1, 1.1, { yellow: 20, orange: 40 }),
  point('gw-linchong-01', 'rg-01.rain', '降雨量', 'Rainfall', 'mm/h', 0, 0, { blue: 10, yellow: 20, orange: 40, red: 60 }),
  point('gw-yangshan-02', 'wl-01.level', '库水位', 'Pond water level', 'm', 96.11, 0.03, { blue: 97, yellow: 97.5, orange: 98, red: 98.5 }),
  point('gw-yangshan-02', 'pz-01.pressure', '孔隙水压力', 'Pore pressure', 'kPa', 84.6, 0.6, { yellow: 100, orange: 110, red: 120 }),
]
const ALARMS = [
  ['pz-02.level', 'threshold', 'red', 'orange', 3.905, 4, 'm', 340_000, 'pz-02.level fell to 3.905 m, below the red limit 4 m for 3 of 3 samples', '浸润线 2 号孔', 'Phreatic line, hole 2'],
  ['gn-01.dz', 'threshold', 'orange', 'yellow', 41.2, 40, 'mm', 5_400_000, 'gn-01.dz rose to 41.2 mm, above the orange limit 40 mm', '坝顶沉降', 'Crest settlement'],
  ['wl-01.level', 'threshold', 'yellow', 'blue', 118.42, 118.3, 'm', 9_000_000, 'wl-01.level rose to 118.42 m, above the yellow limit 118.3 m', '库水位', 'Pond water level'],
  ['pz-03', 'device_down', 'blue', 'normal', null, null, null, 620_000, 'pz-03 gave no answer to 5 requests', '浸润线 3 号孔渗压计', 'Piezometer 3'],
]

/** Starts the stub; returns its address and the switches. */
export async function startStub(port = 0, { extraPoints = 0, extraAlarms = 0, rows = 0 } = {}) {
  const points = [...POINTS, ...Array.from({ length: extraPoints }, (_, i) => point('gw-linchong-01', `x-${i}.level`, `测点 ${i}`, `Point ${i}`, 'm', 6, 0.02, {}, { yellow: 5, orange: 4.5, red: 4 }))]
  let epoch = 'e1'
  let seq = 0
  let log = []
  let refuse = 0
  const streams = new Set()
  const gateways = new Map(GATEWAYS.map((g) => [g.gateway, { ...g, since: ago(g.state === 'online' ? 480_000 : 1_500_000) }]))
  const alarms = new Map(
    ALARMS.map(([alarm, kind, level, from_level, value, limit, unit, age, why, zh, en]) => [
      alarm,
      { gateway: 'gw-linchong-01', alarm, kind, point: kind === 'threshold' ? alarm : null, level, from_level, revision: 3, since: ago(age), at: ago(age), value, limit, unit, rule: 'pool-level#sha:1a2b3c4d', why, name: { zh, en } },
    ]),
  )
  for (let i = 0; i < extraAlarms; i += 1) {
    const [alarm, level] = [`x-${i}.level.threshold`, ['red', 'orange', 'yellow', 'blue'][i % 4]]
    alarms.set(alarm, { gateway: 'gw-linchong-01', alarm, kind: 'threshold', point: `x-${i}.level`, level, from_level: 'normal', revision: 1, since: ago(60_000 + i), at: ago(60_000 + i), value: 4, limit: 5, unit: 'm', rule: 'r', why: 'w', name: { zh: `测点 ${i}`, en: `Point ${i}` } })
  }
  const handling = (level) => ({ isa: 'UNACK', process: 'active', level, acked: false, acked_by: null, acked_at: null, silenced: true, kept_back: null, version: 1, inhibited_by: null, case: null })
  const handled = () => {
    const all = [...alarms.values()].filter((a) => a.level !== 'normal').map((a) => ({ gateway: a.gateway, alarm: a.alarm, level: a.level, at: a.at, org: '', domain: 'dam', handling: handling(a.level) }))
    for (let i = 0; i < rows; i += 1) {
      const level = ['red', 'orange', 'yellow', 'blue'][i % 4]
      all.push({ gateway: 'gw-yangshan-02', alarm: `row-${String(i).padStart(5, '0')}.threshold`, level, at: ago(i * 1000), org: '', domain: 'dam', handling: handling(level) })
    }
    return all
  }
  const store = { kind: 'sqlite', ok: true, error: null }
  const broker = { url: 'mqtt://127.0.0.1:1883', embedded: true, connected: true }

  const valueAt = (p, t) => Number((p.base + p.swing * Math.sin(t / 23_000 + p.phase) + p.swing * 0.3 * Math.sin(t / 3_100 + p.phase)).toFixed(3))
  const stopped = (gateway) => gateways.get(gateway).state !== 'online'
  const latest = (p) => {
    const t = stopped(p.spec.gateway) ? Date.parse(gateways.get(p.spec.gateway).since) : Date.now()
    const reading = { value: valueAt(p, t), quality: 'good', reason: 'none', ...p.fault }
    return { at: new Date(t).toISOString(), ingested_at: new Date(t + 40).toISOString(), ...reading, stale: stopped(p.spec.gateway) }
  }
  const lists = {
    gateways: () =>
      [...gateways.values()].map((g) => ({
        gateway: g.gateway,
        site: { zh: g.zh, en: g.en, path: { group: 'tongling', company: 'copper', mine: 'dongguashan', facility: g.facility } },
        link: { state: g.state, since: g.since, last_heard_at: g.state === 'online' ? ago(400) : g.since },
        software: '0.1.0', config: g.config, started_at: started, backlog: g.backlog, link_losses: g.losses,
        latest_at: g.state === 'online' ? ago(700) : g.since,
      })),
    points: () => points.map((p) => ({ ...p.spec, latest: latest(p) })),
    alarms: () => [...alarms.values()].filter((a) => a.level !== 'normal'),
    system: () => ({ instance: 'hq-1', software: '0.1.0', store, broker, disk_free_mb: 48_211, started_at: started, now: new Date().toISOString() }),
    ledger: () => [
      {
        gateway: 'gw-linchong-01', complete: true,
        streams: [
          { epoch: '7f31', lane: 'alarm', expected: 212, received: 212, missing: [], explained: [], unexplained: 0, closed: false },
          { epoch: '7f31', lane: 'routine', expected: 48_211 + seq, received: 48_211 + seq, missing: [], explained: [], unexplained: 0, closed: false },
        ],
        gaps: [{ reason: 'device_down', subject: 'pz-03', from: ago(620_000), to: ago(2_000), count: 618, epoch: '7f31', seq: null }],
      },
      {
        gateway: 'gw-yangshan-02', complete: false,
        streams: [
          { epoch: '0c92', lane: 'alarm', expected: 88, received: 88, missing: [], explained: [], unexplained: 0, closed: false },
          { epoch: '0c92', lane: 'routine', expected: 31_904, received: 30_620, missing: [[30_620, 31_904]], explained: [], unexplained: 1284, closed: false },
        ],
        gaps: [],
      },
    ],
  }
  const snapshot = () => ({ gateways: lists.gateways(), points: lists.points(), alarms: lists.alarms(), system: lists.system() })

  function history(url) {
    const [, gateway, id] = /^\/api\/v1\/points\/([^/]+)\/([^/]+)\/history$/.exec(url.pathname)
    const p = points.find((q) => q.spec.gateway === gateway && q.spec.point === decodeURIComponent(id))
    const samples = []
    for (let t = Date.parse(url.searchParams.get('from')); p && !stopped(gateway) && t < Date.now(); t += 3_000) {
      const v = valueAt(p, t)
      samples.push({ at: new Date(t).toISOString(), min: v, max: v, mean: v, last: v, n: 3, quality: p.fault?.quality ?? 'good' })
    }
    return { gateway, point: id, unit: p?.spec.unit, bucket_ms: 3000, raw: false, samples }
  }

  const frame = (entry) => `${entry.id ? `id: ${entry.id}\n` : ''}event: ${entry.event}\ndata: ${JSON.stringify(entry.data)}\n\n`
  function send(event, data) {
    seq += 1
    const entry = { id: `${epoch}-${seq}`, seq, event, data }
    log = [...log, entry].slice(-LOG_MAX)
    for (const stream of streams) stream.write(frame(entry))
  }
  const resumes = []
  function open(request, response, url) {
    const last = request.headers['last-event-id'] ?? url.searchParams.get('last') ?? ''
    const [lastEpoch, lastSeq] = last.split('-')
    const known = lastEpoch === epoch && (Number(lastSeq) === seq || log.some((e) => e.seq === Number(lastSeq) + 1))
    resumes.push({ last, resumed: known })
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    if (known) for (const entry of log.filter((e) => e.seq > Number(lastSeq))) response.write(frame(entry))
    else response.write(frame({ id: `${epoch}-${seq}`, event: 'snapshot', data: snapshot() }))
    streams.add(response)
    response.on('close', () => streams.delete(response))
  }

  async function page(url, response) {
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname)
    try {
      const body = await readFile(join(DIST, path))
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': CSP, 'x-content-type-options': 'nosniff' })
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://stub')
    const json = (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (url.pathname.startsWith('/api/') && refuse > 0) return response.writeHead(refuse).end()
    if (url.pathname === '/api/v1/stream') return open(request, response, url)
    if (url.pathname === '/api/v1/me') {
      return json({ person: 'stub', name: 'Stub', via: 'read_token', must: null, second_factor: false, local: false, grants: [], actions: ['view'], may_break_glass: false, broken_until: null })
    }
    if (url.pathname === '/api/v1/annunciator') {
      const from = Number(url.searchParams.get('after') ?? 0)
      const all = handled()
      return json({ next: from + 1_000 < all.length ? String(from + 1_000) : null, rows: all.slice(from, from + 1_000) })
    }
    if (url.pathname === '/api/v1/sites') return json([])
    const list = /^\/api\/v1\/(gateways|points|alarms|system|ledger)$/.exec(url.pathname)
    if (list) return json(lists[list[1]]())
    if (url.pathname.endsWith('/history')) return json(history(url))
    return void page(url, response)
  })
  const timers = [
    setInterval(() => {
      for (const gateway of gateways.keys()) {
        if (stopped(gateway)) continue
        const rows = points.filter((p) => p.spec.gateway === gateway && p.fault?.value !== null).map((p) => {
          const { at, value, quality, reason } = latest(p)
          return { point: p.spec.point, at, value, quality, reason }
        })
        send('values', { gateway, values: rows })
      }
    }, 1000),
    setInterval(() => send('heartbeat', { now: new Date().toISOString() }), 10_000),
  ]
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  return {
    base: `http://127.0.0.1:${server.address().port}/`,
    resumes,
    /** Breaks every stream and answers `status` from now on; 0 heals. */
    cut(status) {
      refuse = status
      for (const stream of streams) stream.destroy()
    },
    /** As after a restart: nothing can be resumed. */
    newEpoch() {
      epoch = `e${Date.now()}`
      log = []
    },
    alarm(change) {
      const next = { ...alarms.get(change.alarm), ...change, at: new Date().toISOString() }
      next.revision += 1
      alarms.set(change.alarm, next)
      send('alarm', next)
    },
    link(gateway, state) {
      Object.assign(gateways.get(gateway), { state, since: new Date().toISOString() })
      const { link, backlog } = lists.gateways().find((g) => g.gateway === gateway)
      send('link', { gateway, link, backlog })
    },
    system(change) {
      Object.assign(store, change.store)
      Object.assign(broker, change.broker)
      send('system', lists.system())
    },
    async stop() {
      timers.forEach(clearInterval)
      for (const stream of streams) stream.destroy()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stub = await startStub(Number(process.argv[2] ?? 4173))
  console.log(stub.base)
}
