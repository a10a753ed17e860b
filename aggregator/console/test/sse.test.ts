import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  backoffMs,
  BACKOFF_MAX_MS,
  MESSAGE_CHARS_MAX,
  SILENCE_MAX_MS,
  SseParser,
  Stream,
  type LinkState,
  type SseMessage,
} from '../src/lib/sse'

describe('the parser', () => {
  const text = 'id: e1-1\nevent: values\ndata: {"a":1}\n\n: comment\nid: e1-2\r\nevent: alarm\r\ndata: x\r\ndata: y\r\n\r\ndata:z\r\r'
  const expected: SseMessage[] = [
    { id: 'e1-1', event: 'values', data: '{"a":1}' },
    { id: 'e1-2', event: 'alarm', data: 'x\ny' },
    { id: 'e1-2', event: 'message', data: 'z' },
  ]

  it('reads the same messages however the bytes are cut', () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const parser = new SseParser()
      expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual(expected)
    }
    const parser = new SseParser()
    expect([...text].flatMap((c) => parser.push(c))).toEqual(expected)
  })

  it('keeps an unfinished message back', () => {
    expect(new SseParser().push('id: 1\ndata: half\n')).toEqual([])
  })

  it('refuses a message without end', () => {
    const parser = new SseParser()
    expect(() => parser.push('data: ' + 'x'.repeat(MESSAGE_CHARS_MAX + 1))).toThrow(RangeError)
  })
})

it('backs off from half a second to fifteen, never in step with others', () => {
  expect(backoffMs(0, 0)).toBe(250)
  expect(backoffMs(0, 1)).toBe(500)
  expect(backoffMs(3, 1)).toBe(4000)
  expect(backoffMs(1000, 1)).toBe(BACKOFF_MAX_MS)
})

/** A server under the test's control: one entry per connection. */
function fakeServer() {
  const calls: { lastId: string | null; send: (text: string) => void; end: () => void }[] = []
  const statuses: number[] = []
  const fetchFake = (_url: unknown, init?: RequestInit): Promise<Response> => {
    const status = statuses.shift() ?? 200
    let controller!: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c) })
    init?.signal?.addEventListener('abort', () => {
      try {
        controller.error(new DOMException('aborted', 'AbortError'))
      } catch {
        // Already closed.
      }
    })
    const encode = new TextEncoder()
    calls.push({
      lastId: new Headers(init?.headers).get('last-event-id'),
      send: (text) => controller.enqueue(encode.encode(text)),
      end: () => controller.close(),
    })
    return Promise.resolve(new Response(status === 200 ? body : null, { status }))
  }
  return { calls, statuses, fetch: fetchFake as typeof fetch }
}

describe('the stream', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  function open() {
    const server = fakeServer()
    const states: LinkState[] = []
    const messages: SseMessage[] = []
    const stream = new Stream({
      url: '/s',
      fetch: server.fetch,
      random: () => 1,
      onHeard: () => undefined,
      onState: (s) => states.push(s),
      onMessage: (m) => messages.push(m),
    })
    stream.start()
    return { server, states, messages, stream, settle: () => vi.advanceTimersByTimeAsync(0) }
  }
  const lastReason = (states: LinkState[]) => {
    const state = states.at(-1)
    return state?.phase === 'lost' ? state.reason : null
  }

  it('is live with the answer and resumes by the id of the last message handed over', async () => {
    const { server, states, messages, stream, settle } = open()
    await settle()
    server.calls[0]?.send('id: e1-7\nevent: values\ndata: {}\n\nid: e1-8\ndata: unfinished')
    await settle()
    expect(states.map((s) => s.phase)).toEqual(['connecting', 'live'])
    server.calls[0]?.end()
    await settle()
    expect(lastReason(states)).toEqual({ kind: 'closed' })
    await vi.advanceTimersByTimeAsync(500)
    expect(server.calls[1]?.lastId).toBe('e1-7')
    expect(messages).toHaveLength(1)
    stream.stop()
  })

  it('keeps trying after answers that end a native EventSource for good', async () => {
    const { server, states, stream, settle } = open()
    server.statuses.push(502, 503)
    await settle()
    expect(server.calls).toHaveLength(1)
    // The first connection was made before the statuses were set; end it to begin the refusals.
    server.calls[0]?.end()
    await vi.advanceTimersByTimeAsync(500)
    expect(lastReason(states)).toEqual({ kind: 'status', status: 502 })
    await vi.advanceTimersByTimeAsync(1000)
    expect(lastReason(states)).toEqual({ kind: 'status', status: 503 })
    await vi.advanceTimersByTimeAsync(2000)
    server.calls[3]?.send(': hello\n\n')
    await settle()
    expect(states.at(-1)?.phase).toBe('live')
    stream.stop()
  })

  it('declares a loss after 25 s of silence, and not while heartbeats come', async () => {
    const { server, states, stream, settle } = open()
    await settle()
    for (let beat = 0; beat < 4; beat += 1) {
      server.calls[0]?.send('event: heartbeat\ndata: {}\n\n')
      await vi.advanceTimersByTimeAsync(10_000)
    }
    expect(states.at(-1)?.phase).toBe('live')
    await vi.advanceTimersByTimeAsync(SILENCE_MAX_MS - 10_000 - 1)
    expect(states.at(-1)?.phase).toBe('live')
    await vi.advanceTimersByTimeAsync(1)
    expect(lastReason(states)).toEqual({ kind: 'silence' })
    stream.stop()
  })

  it('counts one loss from its beginning, however many attempts fail', async () => {
    const { server, states, stream, settle } = open()
    await settle()
    server.statuses.push(500, 500, 500)
    server.calls[0]?.end()
    await vi.advanceTimersByTimeAsync(4000)
    const lost = states.filter((s) => s.phase === 'lost')
    expect(lost.length).toBeGreaterThan(2)
    expect(new Set(lost.map((s) => s.since)).size).toBe(1)
    stream.stop()
  })

  it('makes no attempt after it was stopped', async () => {
    const { server, stream, settle } = open()
    await settle()
    stream.stop()
    await vi.advanceTimersByTimeAsync(120_000)
    expect(server.calls).toHaveLength(1)
  })
})
