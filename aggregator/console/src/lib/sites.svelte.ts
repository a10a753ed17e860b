/** Outlines of the sites: where they stand, their dams, their cameras. Asked once, and again for a new gateway. */
import { ApiError } from './api'
import { setZone } from './format'
import { named } from './lang.svelte'
import { live } from './live.svelte'
import type { DamView, SiteOutlineView } from './openapi'

const AGAIN_MS = 15_000

class Sites {
  list = $state.raw<readonly SiteOutlineView[]>([])
  loaded = $state(false)
  error = $state<unknown>(null)
  #asked = 0

  /** Call from a page that needs them. */
  want(): void {
    const known = new Set(this.list.map((site) => site.gateway))
    const missing = [...live.gateways.keys()].some((gateway) => !known.has(gateway))
    if (this.loaded && (!missing || Date.now() - this.#asked < AGAIN_MS)) return
    if (Date.now() - this.#asked < 1_000) return
    this.#asked = Date.now()
    void fetch('/api/v1/sites', { cache: 'no-store', headers: { 'x-minewatch-background': '1' } })
      .then(async (answer) => {
        if (!answer.ok) throw new ApiError(answer.status, `HTTP ${answer.status}`)
        this.list = (await answer.json()) as SiteOutlineView[]
        this.loaded = true
        const zones = new Set(this.list.flatMap((site) => (site.dam ? [site.dam.utc_offset_h] : [])))
        setZone(zones.size === 1 ? ([...zones][0] ?? null) : null)
        this.error = null
      })
      .catch((error: unknown) => (this.error = error))
  }

  of(gateway: string): SiteOutlineView | undefined {
    return this.list.find((site) => site.gateway === gateway)
  }

  dam(gateway: string): DamView | null {
    return this.of(gateway)?.dam ?? null
  }

  /** What an alarm's subject is called when it is no point: an item, the pond, a camera. */
  subject(gateway: string, id: string): string | null {
    const site = this.of(gateway)
    const found =
      site?.dam?.items.find((item) => item.id === id)?.name ??
      (site?.dam?.id === id ? site.dam.name : undefined) ??
      site?.cameras.find((camera) => camera.id === id)?.name
    return found ? named(found, id) : null
  }
}

export const sites = new Sites()
