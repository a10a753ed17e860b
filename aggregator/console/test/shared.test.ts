import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SharedStream, type SharedOptions } from '../src/lib/shared'
import type { LinkState } from '../src/lib/sse'

/** The browser's locks, for one name. */
class Locks {
  held = false
  queue: (() => void)[] = []
  request(_: string, options: { signal: AbortSignal }, work: () => Promise<void>): Promise<void> {
    return new Promise((done, refused) => {
      const take = (): void => {
        if (options.signal.aborted) return refused(new Error('aborted'))
        this.held = true
        void work().then(() => {
          this.held = false
          this.queue.shift()?.()
          done()
        })
      }
      if (this.held) this.queue.push(take)
      else take()
    })
  }
}

const opened: { id: string; send: (text: string) => void }[] = []
const fetchStub = (async (_: string, init: RequestInit) => {
  const body = new ReadableStream<Uint8Array>({
    start(control) {
      const headers = init.headers as Record<string, string>
      opened.push({ id: headers['last-event-id'] ?? '', send: (text) => control.enqueue(new TextEncoder().encode(text)) })
      init.signal?.addEventListener('abort', () => control.error(new Error('aborted')))
    },
  })
  return new Response(body, { status: 200 })
}) as unknown as typeof fetch

function page(): { stream: SharedStream; seen: string[]; states: LinkState['phase'][]; joined: () => number } {
  const seen: string[] = []
  const states: LinkState['phase'][] = []
  let joined = 0
  const options: SharedOptions = {
    url: '/s', fetch: fetchStub, onMessage: (m) => seen.push(m.id), onState: (s) => states.push(s.phase), onHeard: () => undefined, onJoined: () => (joined += 1),
  }
  return { stream: new SharedStream(options), seen, states, joined: () => joined }
}
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 30))

beforeEach(() => {
  opened.length = 0
  vi.stubGlobal('navigator', { locks: new Locks() })
})
afterEach(() => vi.unstubAllGlobals())

it('reads once for two pages, and goes on after the last word when the reader leaves', async () => {
  const [a, b] = [page(), page()]
  a.stream.start()
  await settle()
  b.stream.start()
  await settle()
  expect([opened.length, a.stream.reads, b.stream.reads]).toEqual([1, true, false])
  expect([b.joined(), b.states.at(-1)]).toEqual([1, 'live'])
  opened[0]?.send('id: e-7\ndata: x\n\n')
  await settle()
  expect([a.seen, b.seen]).toEqual([['e-7'], ['e-7']])
  a.stream.stop()
  await settle()
  expect([opened.length, opened[1]?.id, b.stream.reads]).toEqual([2, 'e-7', true])
  b.stream.stop()
})

it('does not read after it was stopped while it waited for its turn', async () => {
  const [a, b] = [page(), page()]
  a.stream.start()
  b.stream.start()
  await settle()
  b.stream.stop()
  a.stream.stop()
  await settle()
  expect([opened.length, b.stream.reads]).toEqual([1, false])
})

it('reads for itself where a browser has no locks', async () => {
  vi.stubGlobal('navigator', {})
  const [a, b] = [page(), page()]
  a.stream.start()
  b.stream.start()
  await settle()
  expect([opened.length, a.stream.reads, b.stream.reads]).toEqual([2, true, true])
  a.stream.stop()
  b.stream.stop()
})
