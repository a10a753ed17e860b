/** A proof as `docs/proof.md` describes it; a reader skips what it does not know. Pure. */
import type { Level } from './levels'

export interface BothText {
  zh: string
  en: string
}

export interface ProofNode {
  kind: 'pond' | 'item' | 'hazard' | 'point' | 'input'
  id: string
  name?: BothText
  level: Level
  clause?: { id: string } & BothText
  evidence?: { value?: number; limit?: number; unit?: string; quality: string; reason: string; at_us: number; age_ms: number }
  owner?: string
  source?: string
  children?: ProofNode[]
  omitted?: number
  unknown?: number
}

export interface ProofAction {
  level: Level
  trigger: BothText
  evidence: BothText[]
  owner: BothText
  checklist: BothText[]
  stand_down: BothText
  acknowledge_by_us?: number
  check_by_us?: number
}

export interface Proof {
  version: number
  document: string
  revision: string
  to: Level
  root: ProofNode
  actions?: ProofAction[]
}

/** The newest version this console reads; a later one may mean something else by the same words. */
const VERSION_MAX = 1

export function parseProof(raw: unknown): Proof | null {
  const proof = raw as Partial<Proof> | null
  if (!proof || typeof proof.version !== 'number' || proof.version > VERSION_MAX || !proof.root) return null
  return proof as Proof
}

/** The points at the ends of the tree, worst first as the proof has them, each once. */
export function pointsOf(node: ProofNode): string[] {
  const found = new Set<string>()
  const walk = (at: ProofNode): void => {
    if (at.kind === 'point' || at.kind === 'input') found.add(at.id)
    for (const child of at.children ?? []) walk(child)
  }
  walk(node)
  return [...found]
}
