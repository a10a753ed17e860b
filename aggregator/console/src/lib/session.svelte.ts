/**
 * Who is signed in here.
 *
 * Invariant: a page about the mine is shown only while somebody is; whatever answers 401 makes us
 * ask again. A sign of life of the person (a key, a click, a moved pointer) is told at most once a minute; what the
 * page asks by itself is marked as background and keeps no session open.
 */
import { ApiError } from './api'
import { ask, type Me, type WayIn } from './people'

const ALIVE_MS = 60_000

class Session {
  phase = $state<'asking' | 'out' | 'in' | 'unreachable'>('asking')
  me = $state.raw<Me | null>(null)
  way = $state.raw<WayIn | null>(null)
  #told = 0

  readonly ready = $derived(this.phase === 'in' && this.me !== null && this.me.must === null)

  may(action: string): boolean {
    return this.me?.actions.includes(action) ?? false
  }

  /** Asks who we are; a page that was signed out shows the way in. */
  async ask(): Promise<void> {
    try {
      this.me = await ask<Me>('GET', 'me')
      this.phase = 'in'
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) await this.#out()
      else if (this.phase === 'asking') this.phase = 'unreachable'
    }
  }

  async #out(): Promise<void> {
    this.me = null
    this.phase = 'out'
    try {
      this.way = await ask<WayIn>('GET', 'sign-in')
    } catch {
      // The form says so when it is sent.
    }
  }

  async leave(): Promise<void> {
    const out = await ask<{ location?: string } | undefined>('POST', 'sign-out').catch(() => undefined)
    // Whoever came in through the identity provider signs out there as well.
    if (out?.location) window.location.assign(out.location)
    await this.#out()
  }

  /** Tells the server that a person is here, and asks again while it cannot be reached. */
  watch(): () => void {
    const alive = (): void => {
      if (this.phase !== 'in' || Date.now() - this.#told < ALIVE_MS) return
      this.#told = Date.now()
      void this.ask()
    }
    const retry = setInterval(() => {
      if (this.phase === 'unreachable') {
        this.phase = 'asking'
        void this.ask()
      }
    }, 5_000)
    window.addEventListener('pointerdown', alive)
    window.addEventListener('keydown', alive)
    window.addEventListener('pointermove', alive)
    window.addEventListener('wheel', alive, { passive: true })
    void this.ask()
    return () => {
      clearInterval(retry)
      window.removeEventListener('pointerdown', alive)
      window.removeEventListener('keydown', alive)
      window.removeEventListener('pointermove', alive)
      window.removeEventListener('wheel', alive)
    }
  }
}

export const session = new Session()
