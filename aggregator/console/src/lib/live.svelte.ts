/**
 * The one live picture of this page: owns the stream, batches its messages into the model,
 * keeps the clock, asks for the ledger and for the history of visible points.
 *
 * Values are applied at most ten times a second, alarms thirty, however many arrive.
 */
import { fetchGateways, fetchHistory, fetchLedger, fetchSnapshot, type Ledger, type Point } from './api'
import { applyAll, cutOf, emptyModel, keyOf, trustOf, withGateways, withHistory, withLists, type Arrival, type Model, type Trust } from './model'
import { TRAIL_MS } from './spark'
import { SharedStream } from './shared'
import type { LinkState } from './sse'
import { annunciator } from './annunciator.svelte'

const FLUSH_MS = 100
/** A new alarm does not wait for the next round of values. */
const FLUSH_ALARM_MS = 30
const TICK_MS = 1_000
const LEDGER_MS = 5_000
/** An answered stream that sends no snapshot: ask for the lists instead. */
const SNAPSHOT_WAIT_MS = 4_000
const HISTORY_PARALLEL_MAX = 2
const HISTORY_POINTS = 100
/** A short break (a proxy recycling connections) is shown in the header, not as an alert. */
export const BANNER_GRACE_MS = 3_000

class Live {
  model = $state.raw<Model>(emptyModel())
  link = $state.raw<LinkState>({ phase: 'connecting', since: Date.now() })
  heardAt = $state.raw<number | null>(null)
  now = $state.raw(Date.now())
  ledgers = $state.raw<ReadonlyMap<string, Ledger>>(new Map())
  ledgerAt = $state.raw<number | null>(null)
  ledgerError = $state.raw<string | null>(null)
  /** Whether this page reads the stream itself, or hears another one read it. */
  reads = $state(true)

  /** Parts of the picture: what is drawn from one of them is drawn again only when that one changed. */
  readonly alarms = $derived(this.model.alarms)
  readonly points = $derived(this.model.points)
  readonly gateways = $derived(this.model.gateways)
  readonly #skew = $derived(this.model.skewMs)

  serverNow = $derived(this.now + this.#skew)
  lost = $derived(this.link.phase === 'lost')

  /** How far the newest value of a point may be believed now. */
  trust(point: Point): Trust {
    return trustOf(point, this.serverNow, cutOf(this.gateways.get(point.gateway), this.lost))
  }

  #queue: Arrival[] = []
  #flushTimer: ReturnType<typeof setTimeout> | undefined
  #flushed = 0
  #due = 0
  #ledgerBusy = false
  #reloadBusy = false
  #wanted: Point[] = []
  #asked = new Set<string>()
  #inSight = new Map<string, Point>()
  #running = 0
  #gapsSeen = 0

  #stream = new SharedStream({
    url: '/api/v1/stream',
    onJoined: () => {
      void this.#reload()
      annunciator.reload()
    },
    onHeard: (now) => (this.heardAt = now),
    onState: (state) => this.#onState(state),
    onMessage: (message) => {
      this.#queue.push({ event: message.event, data: message.data, local: Date.now() })
      // The first of a burst is shown at once.
      const due = this.#flushed + (message.event === 'alarm' ? FLUSH_ALARM_MS : FLUSH_MS)
      if (this.#flushTimer !== undefined && due >= this.#due) return
      clearTimeout(this.#flushTimer)
      this.#due = due
      this.#flushTimer = setTimeout(() => this.#flush(), Math.max(0, due - Date.now()))
    },
  })

  /** Starts everything; the returned function stops it. */
  start(): () => void {
    this.#stream.start()
    const unwatch = annunciator.watch()
    const tick = setInterval(() => (this.now = Date.now()), TICK_MS)
    const poll = setInterval(() => void this.#pollLedger(), LEDGER_MS)
    const wake = (): void => {
      if (document.visibilityState !== 'visible') return
      this.now = Date.now()
      this.#stream.retryNow()
      void this.#pollLedger()
    }
    document.addEventListener('visibilitychange', wake)
    window.addEventListener('online', wake)
    void this.#pollLedger()
    return () => {
      unwatch()
      clearInterval(tick)
      clearInterval(poll)
      clearTimeout(this.#flushTimer)
      document.removeEventListener('visibilitychange', wake)
      window.removeEventListener('online', wake)
      this.#stream.stop()
    }
  }

  /** A row came into sight: fetch its last five minutes, once per connection. */
  show(point: Point): void {
    const key = keyOf(point.gateway, point.point)
    this.#inSight.set(key, point)
    if (this.#asked.has(key)) return
    this.#asked.add(key)
    this.#wanted.push(point)
    this.#pumpHistory()
  }

  hide(point: Point): void {
    this.#inSight.delete(keyOf(point.gateway, point.point))
  }

  /** Told when the server no longer knows us. */
  onUnauthorized: () => void = () => {}

  #onState(state: LinkState): void {
    if (state.phase === 'lost' && state.reason.kind === 'status' && state.reason.status === 401) this.onUnauthorized()
    this.link = state
    this.reads = this.#stream.reads
    this.now = Date.now()
    if (state.phase === 'live') {
      // Trails have a hole where the link was cut, and requests of that time failed.
      this.#asked.clear()
      for (const point of this.#inSight.values()) this.show(point)
      setTimeout(() => {
        if (!this.model.loaded) void this.#reload()
      }, SNAPSHOT_WAIT_MS)
      void this.#pollLedger()
    }
  }

  #flush(): void {
    this.#flushTimer = undefined
    this.#flushed = Date.now()
    const queue = this.#queue
    this.#queue = []
    this.model = applyAll(this.model, queue)
    annunciator.take(queue)
    // The clock of the page goes by its own tick: every age on it would be drawn again with every burst.
    const overdue = this.link.phase === 'live' && this.#flushed - this.link.since > SNAPSHOT_WAIT_MS
    if (this.model.unknown || (!this.model.loaded && overdue)) void this.#reload()
    if (this.model.gaps !== this.#gapsSeen) {
      this.#gapsSeen = this.model.gaps
      void this.#pollLedger()
    }
  }

  async #reload(): Promise<void> {
    if (this.#reloadBusy) return
    this.#reloadBusy = true
    try {
      const snapshot = await fetchSnapshot()
      this.model = withLists(this.model, snapshot, Date.now())
    } catch {
      // The stream is the judge of the link; a failed list is asked for again at a later flush.
    }
    // Not before a while: a point the lists do not know either must not cause a storm.
    setTimeout(() => (this.#reloadBusy = false), LEDGER_MS)
  }

  async #pollLedger(): Promise<void> {
    if (this.#ledgerBusy || document.visibilityState !== 'visible') return
    this.#ledgerBusy = true
    try {
      const [ledgers, gateways] = await Promise.all([fetchLedger(), fetchGateways()])
      this.ledgers = new Map(ledgers.map((ledger) => [ledger.gateway, ledger]))
      this.model = withGateways(this.model, gateways)
      this.ledgerAt = Date.now()
      this.ledgerError = null
    } catch (error) {
      this.ledgerError = error instanceof Error ? error.message : String(error)
    } finally {
      this.#ledgerBusy = false
    }
  }

  #pumpHistory(): void {
    while (this.#running < HISTORY_PARALLEL_MAX) {
      const point = this.#wanted.shift()
      if (!point) return
      if (!this.#inSight.has(keyOf(point.gateway, point.point))) {
        this.#asked.delete(keyOf(point.gateway, point.point))
        continue
      }
      this.#running += 1
      void this.#loadHistory(point).finally(() => {
        this.#running -= 1
        this.#pumpHistory()
      })
    }
  }

  async #loadHistory(point: Point): Promise<void> {
    const to = Date.now() + this.model.skewMs
    const key = keyOf(point.gateway, point.point)
    try {
      const buckets = await fetchHistory(point.gateway, point.point, to - TRAIL_MS, to, HISTORY_POINTS)
      const samples = buckets.map((b) => ({ t: Date.parse(b.at), v: b.quality === 'bad' ? null : b.last }))
      this.model = withHistory(this.model, key, samples)
    } catch {
      // The live trail still grows; ask again when the row is shown next.
      this.#asked.delete(key)
    }
  }
}

export const live = new Live()
