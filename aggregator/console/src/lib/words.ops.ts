/** Words of the screens for operation, Chinese first; loaded with them, typed as in `i18n.ts`. */
import type { Lang, Params } from './i18n'
import { en } from './words.ops.en'
import { zh, type OpsKey } from './words.ops.zh'

export type { OpsKey }

export const OPS: Record<Lang, Record<OpsKey, string>> = { zh, en }

export function opsWord(lang: Lang, key: string, params: Params = {}): string {
  const words: Record<string, string> = OPS[lang]
  const text = words[key] ?? key.slice(key.indexOf('.') + 1)
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => (name in params ? String(params[name]) : hole))
}
