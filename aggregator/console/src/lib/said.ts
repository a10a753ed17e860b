/** What a refusal says to a person. */
import { ApiError } from './api'
import { language } from './lang.svelte'
import { nameWord, peopleWord, type PeopleKey } from './words.people'
import type { Params } from './i18n'

export const p = (key: PeopleKey, params?: Params): string => peopleWord(language.current, key, params)

export const roleWord = (role: string): string => nameWord(language.current, 'role', role) ?? role

/** Why a sign-in at the identity provider opened no session. */
export const refusal = (code: string): string =>
  nameWord(language.current, 'refusal', code) ?? p('in.refused', { code })

export function said(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const known = error instanceof ApiError ? nameWord(language.current, 'error', error.code) : null
  return (known ?? p('error.other')).replace('{message}', message)
}
