/**
 * Which page the address names after its `#`, with its state: `#/alarms?level=red&sel=gw/a`.
 *
 * Invariant: whatever a page shows by choice stands in the address, so that a link shows what its
 * sender saw and going back goes back. Links of notices name a path (`/cases/7`): they become `#/cases/7`.
 */
const FROM_PATH = /^\/(cases|alarms|dams)\/[a-z0-9._/-]{1,200}$/

class Page {
  hash = $state(location.hash.slice(1))
  name = $derived(this.hash.split('?', 1)[0] ?? '')
  query = $derived(new URLSearchParams(this.hash.split('?')[1] ?? ''))

  constructor() {
    if (location.hash === '' && FROM_PATH.test(location.pathname)) {
      history.replaceState(null, '', `/${location.search}#${location.pathname}`)
      this.hash = location.hash.slice(1)
    }
    window.addEventListener('hashchange', () => (this.hash = location.hash.slice(1)))
    window.addEventListener('popstate', () => (this.hash = location.hash.slice(1)))
  }

  get(key: string): string {
    return this.query.get(key) ?? ''
  }

  /** Sets parts of the state; an empty value goes out of the address. `push` makes it a step to go back from. */
  set(change: Record<string, string>, push = false): void {
    const query = new URLSearchParams(this.query)
    for (const [key, value] of Object.entries(change)) {
      if (value === '') query.delete(key)
      else query.set(key, value)
    }
    const text = query.toString()
    const hash = `#${this.name}${text === '' ? '' : `?${text}`}`
    if (push) history.pushState(null, '', hash)
    else history.replaceState(null, '', hash)
    this.hash = hash.slice(1)
  }
}

export const page = new Page()
