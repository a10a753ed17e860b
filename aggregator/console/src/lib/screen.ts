/** The screen an address names. Pure. */
export const SCREENS = [
  'live', 'alarms', 'map', 'dams', 'trends', 'cameras', 'cases', 'business', 'gateways', 'kpi', 'wall', 'admin', 'report', 'people', 'audit', 'account', 'start',
] as const
export type ScreenName = (typeof SCREENS)[number]

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
