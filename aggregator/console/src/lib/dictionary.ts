/** A screen's own words, loaded with it: Chinese first, and what is missing in English does not compile. */
import type { Lang, Params } from './i18n'

export type Words<K extends string> = Record<Lang, Record<K, string>>

/** Words with blanks (`{n}`) filled; a key this console does not know is shown as it came. */
export function wordOf(words: Words<string>, lang: Lang, key: string, params: Params = {}): string {
  const text = words[lang][key] ?? key.slice(key.lastIndexOf('.') + 1)
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => (name in params ? String(params[name]) : hole))
}
