/** The screen an address names. Pure. */
export const SCREENS = [
  'live', 'alarms', 'map', 'dams', 'trends', 'cameras', 'cases', 'business', 'gateways', 'kpi', 'wall', 'admin', 'report', 'people', 'audit', 'account', 'start', 'duty', 'access',
] as const
export type ScreenName = (typeof SCREENS)[number]

/** Pages that stand together in the navigation; what is in none is a page of the mine's safety. */
export const SECTIONS = {
  business: ['business'],
  manage: ['admin', 'duty', 'people', 'access', 'audit', 'start'],
} as const satisfies Record<string, readonly ScreenName[]>
export type SectionName = keyof typeof SECTIONS

/** Where a page stands in the navigation. */
export function sectionOf(name: ScreenName): SectionName | null {
  for (const [section, pages] of Object.entries(SECTIONS)) if ((pages as readonly ScreenName[]).includes(name)) return section as SectionName
  return null
}

export interface Screen {
  name: ScreenName
  /** What of it: a case, a gateway. */
  id: string | null
}

const ID = /^[a-z0-9._-]{1,90}$/

/** An address nobody knows is the live page: it is where one sees most. */
export function screenOf(address: string): Screen {
  const [name = '', id = ''] = address.replace(/^#?\/?/, '').split('?', 1)[0]?.split('/') ?? []
  // An older address of the two pages that took its place.
  if (name === 'work') return { name: 'alarms', id: null }
  const known = SCREENS.find((screen) => screen === name)
  return { name: known ?? 'live', id: known && ID.test(id) ? id : null }
}
