import { expect, it } from 'vitest'
import { nameWord, PEOPLE_WORDS, peopleWord, type PeopleKey } from '../src/lib/words.people'

const keys = Object.keys(PEOPLE_WORDS.zh) as PeopleKey[]
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()

it('says everything about people in both languages with the same blanks', () => {
  for (const key of keys) {
    expect(PEOPLE_WORDS.en[key], key).toBeTruthy()
    expect(holes(PEOPLE_WORDS.en[key]), key).toEqual(holes(PEOPLE_WORDS.zh[key]))
    expect(PEOPLE_WORDS.en[key], key).not.toMatch(/[\u4e00-\u9fff]/)
    expect(PEOPLE_WORDS.zh[key], key).toMatch(/[\u4e00-\u9fff]/)
  }
  expect(Object.keys(PEOPLE_WORDS.en).sort()).toEqual([...keys].sort())
})

it('has a word for every role and refusal the server knows', () => {
  const roles = ['viewer', 'monitor', 'operator', 'dispatcher', 'engineer', 'administrator', 'system_admin', 'security_admin', 'audit_admin', 'break_glass']
  const errors = ['wrong', 'code_needed', 'reason_needed', 'wait', 'weak_password', 'forbidden', 'impossible', 'cross_site']
  for (const role of roles) expect(nameWord('zh', 'role', role), role).toBeTruthy()
  for (const error of errors) expect(nameWord('en', 'error', error), error).toBeTruthy()
  expect(nameWord('zh', 'role', 'emperor')).toBeNull()
  expect(peopleWord('en', 'audit.bad', { n: 3 })).toBe('3 contradictions found!')
})
