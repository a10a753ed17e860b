/**
 * One event stream per browser: the page that holds the lock reads, all others hear it over a channel.
 *
 * Six open streams over HTTP/1.1 block every request of the same origin; a wall of tabs must not.
 * When the reading page goes, the next one takes the lock and resumes after the last message it heard,
 * so nothing is lost. Where locks or channels do not exist (plain HTTP from another machine), each
 * page reads for itself.
 *
 * Invariant: a page that hears nothing for `SILENCE_MAX_MS` says that the link is lost, whoever reads.
 */
import { SILENCE_MAX_MS, Stream, type LinkState, type SseMessage, type StreamOptions } from './sse'

const NAME = 'minewatch-stream'
const LOOK_MS = 1_000

type Word =
  | { kind: 'message'; message: SseMessage }
  | { kind: 'state'; state: LinkState }
  | { kind: 'heard'; now: number }
  | { kind: 'hello' }
  | { kind: 'retry' }

export interface SharedOptions extends StreamOptions {
  /** A page that only hears has no snapshot of its own: it must ask for the lists. */
  onJoined: () => void
}

export class SharedStream {
  #options: SharedOptions
  #stream: Stream | null = null
  #channel: BroadcastChannel | null = null
  #release: (() => void) | null = null
  #waiting: AbortController | null = null
  #lastId = ''
  #heard = 0
  #state: LinkState = { phase: 'connecting', since: 0 }
  #timer: ReturnType<typeof setInterval> | undefined
  #joined = false

  constructor(options: SharedOptions) {
    this.#options = options
  }

  /** Whether this page is the one that reads. */
  get reads(): boolean {
    return this.#stream !== null
  }

  start(): void {
    if (typeof BroadcastChannel === 'undefined' || !navigator.locks) return this.#read()
    this.#channel = new BroadcastChannel(NAME)
    this.#channel.onmessage = (event: MessageEvent<Word>) => this.#hear(event.data)
    this.#say({ kind: 'hello' })
    this.#heard = Date.now()
    this.#timer = setInterval(() => this.#watch(), LOOK_MS)
    this.#waiting = new AbortController()
    // Ends when we stop: granted, by the release; still waiting, by the signal.
    navigator.locks
      .request(NAME, { signal: this.#waiting.signal }, () => {
        this.#read()
        return new Promise<void>((done) => (this.#release = done))
      })
      .catch(() => undefined)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#stream?.stop()
    this.#stream = null
    this.#waiting?.abort()
    this.#waiting = null
    this.#release?.()
    this.#release = null
    this.#channel?.close()
    this.#channel = null
    this.#joined = false
  }

  retryNow(): void {
    if (this.#stream) this.#stream.retryNow()
    else this.#say({ kind: 'retry' })
  }

  #say(word: Word): void {
    this.#channel?.postMessage(word)
  }

  #read(): void {
    if (this.#stream) return
    const { onMessage, onState, onHeard, onJoined: _, ...rest } = this.#options
    this.#stream = new Stream({
      ...rest,
      lastId: this.#lastId,
      onMessage: (message) => {
        this.#say({ kind: 'message', message })
        onMessage(message)
      },
      onState: (state) => {
        this.#state = state
        this.#say({ kind: 'state', state })
        onState(state)
      },
      onHeard: (now) => {
        this.#say({ kind: 'heard', now })
        onHeard(now)
      },
    })
    this.#stream.start()
  }

  #hear(word: Word): void {
    if (word.kind === 'hello') {
      if (this.#stream) this.#say({ kind: 'state', state: this.#state })
      return
    }
    if (word.kind === 'retry') return this.#stream?.retryNow()
    // A second reader cannot be, while the lock is held; its last words may still arrive.
    if (this.#stream) return
    this.#heard = Date.now()
    // We took the link for lost, asleep perhaps; whoever reads it says how it is.
    if (this.#state.phase === 'lost' && word.kind !== 'state') this.#say({ kind: 'hello' })
    if (word.kind === 'message') {
      if (word.message.id !== '') this.#lastId = word.message.id
      this.#options.onMessage(word.message)
    } else if (word.kind === 'heard') this.#options.onHeard(word.now)
    else this.#take(word.state)
  }

  #take(state: LinkState): void {
    const came = state.phase === 'live' && (this.#state.phase !== 'live' || !this.#joined)
    this.#state = state
    this.#options.onState(state)
    if (came) {
      this.#joined = true
      this.#options.onJoined()
    }
  }

  #watch(): void {
    const now = Date.now()
    if (this.#stream || this.#state.phase === 'lost' || now - this.#heard < SILENCE_MAX_MS) return
    this.#take({ phase: 'lost', since: this.#heard, reason: { kind: 'silence' }, attempt: 1, retryAt: now })
  }
}
