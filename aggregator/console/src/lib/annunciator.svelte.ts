/**
 * The alarms with the operator's side, kept in step with headquarters by the stream.
 *
 * Loaded whole when the stream begins anew, and from then on changed by its events; asked again every
 * half minute, so that an event that was missed for whatever reason cannot stay missed.
 */
import { parseLevel, type Level } from './levels'
import { provisional, rowKey, stands } from './annunciator'
import { fetchAnnunciator, type AnnunciatorRow, type Handling } from './work'
import type { Arrival } from './model'

const AGAIN_MS = 30_000
/** A burst of new alarms asks once. */
const SETTLE_MS = 400

class Annunciator {
  rows = $state.raw<ReadonlyMap<string, AnnunciatorRow>>(new Map())
  loaded = $state(false)
  error = $state<unknown>(null)
  #busy = false
  #again = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Events of one burst. */
  take(arrivals: readonly Arrival[]): void {
    const rows = new Map(this.rows)
    let changed = false
    for (const { event, data } of arrivals) {
      if (event === 'snapshot') this.reload()
      if (event === 'case') this.#soon()
      if (event !== 'handling' && event !== 'alarm') continue
      try {
        changed = (event === 'handling' ? this.#handling(rows, JSON.parse(data)) : this.#alarm(rows, JSON.parse(data))) || changed
      } catch {
        this.#soon()
      }
    }
    if (changed) this.rows = rows
  }

  #handling(rows: Map<string, AnnunciatorRow>, said: { gateway: string; alarm: string; handling: Handling }): boolean {
    const key = rowKey(said)
    const before = rows.get(key)
    const newer = !before?.handling || said.handling.version >= before.handling.version
    if (!newer) return false
    if (!stands(said.handling)) return rows.delete(key)
    if (!before) {
      this.#soon()
      return false
    }
    rows.set(key, { ...before, level: parseLevel(said.handling.level), handling: said.handling })
    return true
  }

  #alarm(rows: Map<string, AnnunciatorRow>, said: { gateway: string; alarm: string; level: Level; at: string; kind?: string }): boolean {
    const key = rowKey(said)
    const level = parseLevel(said.level)
    this.#soon()
    if (rows.has(key) || level === 'normal') return false
    rows.set(key, provisional({ ...said, level }, ''))
    return true
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.reload()
    }, SETTLE_MS)
  }

  /** Asks for the whole list; a question during an answer is asked after it. */
  reload(): void {
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    void fetchAnnunciator()
      .then((rows) => {
        this.rows = new Map(rows.map((row) => [rowKey(row), row]))
        this.loaded = true
        this.error = null
      })
      .catch((error: unknown) => (this.error = error))
      .finally(() => {
        this.#busy = false
        if (this.#again) {
          this.#again = false
          this.reload()
        }
      })
  }

  watch(): () => void {
    const timer = setInterval(() => document.visibilityState === 'visible' && this.reload(), AGAIN_MS)
    this.reload()
    return () => {
      clearInterval(timer)
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }
}

export const annunciator = new Annunciator()
