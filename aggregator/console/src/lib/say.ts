/** A dictionary in the page's language. */
import { wordOf, type Words } from './dictionary'
import type { Params } from './i18n'
import { language } from './lang.svelte'

export const sayer =
  <K extends string>(words: Words<K>) =>
  (key: K, params?: Params): string =>
    wordOf(words, language.current, key, params)
