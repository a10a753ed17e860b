/** Which page the address names after its `#`; the live page when it names none. */
class Page {
  name = $state(location.hash.slice(1))

  constructor() {
    window.addEventListener('hashchange', () => (this.name = location.hash.slice(1)))
  }
}

export const page = new Page()
