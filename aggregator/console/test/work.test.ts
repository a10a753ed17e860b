import { expect, it } from 'vitest'
import { ASKS, alarmActs, bodyOf, caseActs, type Handling } from '../src/lib/work'
import { WORK, say, type WorkKey } from '../src/lib/workWords'

const handling = (over: Partial<Handling>): Handling => ({
  isa: 'UNACK', process: 'active', level: 'red', acked: false, acked_by: null, acked_at: null, silenced: false,
  kept_back: null, version: 3, inhibited_by: null, case: null, ...over,
})

it('says everything in both languages with the same blanks', () => {
  const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()
  for (const key of Object.keys(WORK.zh) as WorkKey[]) {
    expect(holes(WORK.en[key]), key).toEqual(holes(WORK.zh[key]))
    expect(WORK.en[key], key).not.toMatch(/[\u4e00-\u9fff]/)
    if (key !== 'by' && key !== 'keptBack') expect(WORK.zh[key], key).toMatch(/[\u4e00-\u9fff]/)
  }
})

it('offers for every state only what the server may take, with a word for each', () => {
  const states = ['raised', 'pushed', 'acknowledged', 'assigned', 'rectifying', 'submitted', 'verified', 'closed', 'false_positive', 'suppressed', 'reopened']
  for (const state of states) {
    expect(say('zh', `state.${state}`)).toMatch(/[\u4e00-\u9fff]/)
    for (const act of caseActs(state)) expect(say('zh', `act.${act}`)).toMatch(/[\u4e00-\u9fff]/)
  }
  expect(caseActs('submitted')).toEqual(['verify', 'reject'])
  expect(caseActs('from the future')).toEqual([])
})

it('offers what fits the axes of an alarm', () => {
  expect(alarmActs(handling({}))).toEqual(['acknowledge', 'silence', 'shelve', 'out-of-service'])
  expect(alarmActs(handling({ acked: true, silenced: true }))).toEqual(['shelve', 'out-of-service'])
  const shelved = handling({ acked: true, silenced: true, kept_back: { how: 'shelved', by: 'li', second: null, why: 'w', until: null } })
  expect(alarmActs(shelved)).toEqual(['unshelve'])
  expect(alarmActs(handling({ process: 'latched', acked: true }))).toContain('reset')
  expect(alarmActs(null)).toEqual([])
})

it('sends what was seen and turns hours into an end', () => {
  expect(bodyOf({ version: 3 }, {}, 0)).toEqual({ version: 3 })
  expect(bodyOf({ version: 3 }, { reason: 'r', hours: '1.5' }, 0)).toEqual({ version: 3, reason: 'r', until: '1970-01-01T01:30:00.000Z' })
  expect(ASKS.shelve).toContain('reason')
})
