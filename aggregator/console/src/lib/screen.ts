/** The screen an address names. */
export function screenOf(hash: string): { name: 'live' } | { name: 'work' } | { name: 'case'; id: string } {
  const detail = /^#\/cases\/([a-z0-9._-]{1,64})$/.exec(hash)
  if (detail?.[1]) return { name: 'case', id: detail[1] }
  return hash.startsWith('#/work') || hash.startsWith('#/cases') ? { name: 'work' } : { name: 'live' }
}
