/** The language of the page; kept in the address, so that a link shows what its sender saw. */
import { langFromSearch, searchWithLang, translate, wireWord, type Key, type Lang, type Params } from './i18n'
import type { Text } from './api'

class Language {
  current = $state<Lang>(langFromSearch(location.search))

  toggle(): void {
    this.current = this.current === 'zh' ? 'en' : 'zh'
    history.replaceState(null, '', searchWithLang(location.search, this.current) + location.hash)
  }
}

export const language = new Language()

export const t = (key: Key, params?: Params): string => translate(language.current, key, params)

export const word = (group: 'reason' | 'gap' | 'kind', name: string): string => wireWord(language.current, group, name)

/** The name in the page's language, or the other one, or the id. */
export function named(text: Text | null | undefined, id: string): string {
  if (!text) return id
  const other = language.current === 'zh' ? text.en : text.zh
  return text[language.current] || other || id
}
