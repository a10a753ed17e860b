/**
 * Live updates: a reconnecting reader of `/api/v1/stream`.
 *
 * Native EventSource gives up for good on any non-200 answer (one 502 from a proxy is enough) and
 * cannot tell a silent connection from a quiet one. This reader retries with backoff, resumes by
 * `Last-Event-ID` and declares a loss after 25 s of silence (the server beats every 10 s).
 *
 * Invariant: `lastId` moves only after its message was handed over, so a resume never skips one.
 * Memory is bounded: one message may hold at most `MESSAGE_CHARS_MAX` characters.
 */

export interface SseMessage {
  id: string
  event: string
  data: string
}

/** A snapshot of 2,000 points is about 1 MB; ten times that is a fault, not data. */
export const MESSAGE_CHARS_MAX = 10_000_000
export const SILENCE_MAX_MS = 25_000
export const BACKOFF_FIRST_MS = 500
export const BACKOFF_MAX_MS = 15_000

/** Incremental parser of the event-stream format; chunks may end anywhere. */
export class SseParser {
  #rest = ''
  #data: string[] = []
  #chars = 0
  #event = ''
  #id = ''
  #skipLf = false

  /** Complete messages of this chunk; throws `RangeError` when one exceeds the bound. */
  push(chunk: string): SseMessage[] {
    const out: SseMessage[] = []
    let text = this.#rest + (this.#skipLf && chunk.startsWith('\n') ? chunk.slice(1) : chunk)
    if (chunk.length > 0) this.#skipLf = false
    for (;;) {
      const end = text.search(/[\r\n]/)
      if (end < 0) break
      const line = text.slice(0, end)
      let next = end + 1
      if (text[end] === '\r') {
        if (next === text.length) this.#skipLf = true
        else if (text[next] === '\n') next += 1
      }
      text = text.slice(next)
      this.#line(line, out)
    }
    this.#rest = text
    if (this.#chars + text.length > MESSAGE_CHARS_MAX) throw new RangeError('message too long')
    return out
  }

  #line(line: string, out: SseMessage[]): void {
    if (line === '') {
      if (this.#data.length > 0) out.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') })
      this.#data = []
      this.#chars = 0
      this.#event = ''
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    const raw = colon < 0 ? '' : line.slice(colon + 1)
    const value = raw.startsWith(' ') ? raw.slice(1) : raw
    if (field === 'data') {
      this.#data.push(value)
      this.#chars += value.length
    } else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
  }
}

/** Why the stream is down. */
export type LossReason =
  | { kind: 'status'; status: number }
  | { kind: 'silence' }
  | { kind: 'closed' }
  | { kind: 'refused' }
  | { kind: 'oversize' }

export type LinkState =
  | { phase: 'connecting'; since: number }
  | { phase: 'live'; since: number }
  | { phase: 'lost'; since: number; reason: LossReason; attempt: number; retryAt: number }

/** Exponential with jitter in the upper half, so that many consoles do not return at once. */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16))
  return Math.round(full / 2 + (full / 2) * random)
}

export interface StreamOptions {
  url: string
  onMessage: (message: SseMessage) => void
  onState: (state: LinkState) => void
  /** Called for every chunk, heartbeats included. */
  onHeard: (now: number) => void
  fetch?: typeof fetch
  now?: () => number
  random?: () => number
  /** Where to go on: the last message another page has seen. */
  lastId?: string
}

export class Stream {
  #options: Required<StreamOptions>
  #lastId = ''
  #attempt = 0
  #lostSince: number | null = null
  #abort: AbortController | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #watchdog: ReturnType<typeof setTimeout> | undefined
  #stopped = true

  constructor(options: StreamOptions) {
    this.#options = { fetch: (...a) => fetch(...a), now: Date.now, random: Math.random, lastId: '', ...options }
    this.#lastId = this.#options.lastId
  }

  get lastId(): string {
    return this.#lastId
  }

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    this.#options.onState({ phase: 'connecting', since: this.#options.now() })
    void this.#connect()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#watchdog)
    this.#abort?.abort()
    this.#abort = null
  }

  /** Skips the rest of the waiting time, for example when the browser says it is online again. */
  retryNow(): void {
    if (this.#stopped || this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    void this.#connect()
  }

  async #connect(): Promise<void> {
    const abort = new AbortController()
    this.#abort = abort
    const reason = await this.#read(abort).catch((error: unknown): LossReason => {
      if (abort.signal.aborted) return { kind: 'silence' }
      return { kind: error instanceof RangeError ? 'oversize' : 'refused' }
    })
    clearTimeout(this.#watchdog)
    abort.abort()
    if (!this.#stopped && this.#abort === abort) this.#lost(reason)
  }

  async #read(abort: AbortController): Promise<LossReason> {
    this.#watch(abort)
    const headers: Record<string, string> = { accept: 'text/event-stream', 'x-minewatch-background': '1' }
    if (this.#lastId !== '') headers['last-event-id'] = this.#lastId
    const response = await this.#options.fetch(this.#options.url, { headers, cache: 'no-store', signal: abort.signal })
    if (response.status !== 200 || !response.body) return { kind: 'status', status: response.status }
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    const parser = new SseParser()
    // The server may have nothing to say until its next heartbeat; a 200 is the link.
    this.#options.onHeard(this.#options.now())
    this.#options.onState({ phase: 'live', since: this.#options.now() })
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (this.#stopped || abort.signal.aborted) return { kind: 'silence' }
        if (done) return { kind: 'closed' }
        this.#watch(abort)
        this.#options.onHeard(this.#options.now())
        // Only bytes end a loss: a proxy that answers 200 and hangs up must not be hammered.
        this.#attempt = 0
        this.#lostSince = null
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          this.#options.onMessage(message)
          if (message.id !== '') this.#lastId = message.id
        }
      }
    } finally {
      reader.cancel().catch(() => undefined)
    }
  }

  #watch(abort: AbortController): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => abort.abort(), SILENCE_MAX_MS)
  }

  #lost(reason: LossReason): void {
    const now = this.#options.now()
    const wait = backoffMs(this.#attempt, this.#options.random())
    this.#attempt += 1
    this.#lostSince ??= now
    this.#options.onState({
      phase: 'lost',
      since: this.#lostSince,
      reason,
      attempt: this.#attempt,
      retryAt: now + wait,
    })
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#connect()
    }, wait)
  }
}
