/** Cases as a board by what they wait for: overdue first, then the worst, then the oldest. Pure. */
import { parseLevel, rank } from './levels'
import type { CaseView } from './openapi'

export const COLUMNS = ['verify', 'handle', 'review', 'closed'] as const
export type Column = (typeof COLUMNS)[number]

/** A state this console does not know waits to be confirmed: it must not look done. */
export function columnOf(state: string): Column {
  switch (state) {
    case 'acknowledged':
    case 'assigned':
    case 'rectifying':
      return 'handle'
    case 'submitted':
      return 'review'
    case 'verified':
    case 'closed':
    case 'false_positive':
    case 'suppressed':
      return 'closed'
    default:
      return 'verify'
  }
}

export function boardOf(cases: readonly CaseView[]): Record<Column, CaseView[]> {
  const board: Record<Column, CaseView[]> = { verify: [], handle: [], review: [], closed: [] }
  for (const one of cases) board[columnOf(one.state)].push(one)
  const urgent = (a: CaseView, b: CaseView): number =>
    Number(b.overdue) - Number(a.overdue) || rank(parseLevel(b.level)) - rank(parseLevel(a.level)) || a.raised_at.localeCompare(b.raised_at)
  for (const column of COLUMNS) board[column].sort(column === 'closed' ? (a, b) => b.changed_at.localeCompare(a.changed_at) : urgent)
  return board
}
