/** Falls as cards, and what a review does to their case. Pure. */
import { parseLevel, rank } from './levels'
import type { AlarmView } from './openapi'
import type { CaseAct } from './work'

/** Every fall once: transitions upwards, newest first. */
export function fallsOf(journal: readonly AlarmView[]): AlarmView[] {
  return journal
    .filter((step) => rank(parseLevel(step.level)) > rank(parseLevel(step.from_level)))
    .toSorted((a, b) => b.at.localeCompare(a.at) || b.revision - a.revision)
}

export type Review = 'true' | 'false' | 'drill'

/**
 * The steps that say what a fall was. True: acknowledged, and handled as a case from there. False or a
 * drill: acknowledged, then closed as a false positive with the word as its reason. Empty: too late.
 */
export function reviewSteps(state: string, what: Review, word: string): { act: CaseAct; body: Record<string, string> }[] {
  const fresh = ['raised', 'pushed', 'reopened'].includes(state)
  const acknowledge = fresh ? [{ act: 'acknowledge' as const, body: {} }] : []
  if (what === 'true') return acknowledge
  if (!fresh && !['acknowledged', 'assigned', 'rectifying'].includes(state)) return []
  return [...acknowledge, { act: 'false-positive', body: { reason: word === '' ? what : word } }]
}
