// Plugins are imported one after the other, the one that comes with the package among them.

import { readFile } from 'node:fs/promises'
import test from 'ava'
import { importInTurn } from '../../ts/src/plugin/import-in-turn.js'

test('an import begins when those before it have ended, well or badly', async t => {
  const events: string[] = []
  const load = (name: string, fails: boolean) => async () => {
    events.push(`${name} begins`)
    await new Promise(resolve => setTimeout(resolve, 5))
    events.push(`${name} ends`)
    if (fails) throw new Error(name)
    return name
  }
  const loads = [load('a', false), load('b', true), load('c', false)].map(importInTurn)
  const outcomes = await Promise.allSettled(loads)
  t.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.deepEqual(events, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

for (const file of ['discovery', 'embedded']) {
  test(`every import of a plugin waits for its turn: ${file}.ts`, async t => {
    const code = await readFile(new URL(`../../ts/src/plugin/${file}.ts`, import.meta.url), 'utf8')
    const imports = code.match(/\bimport\(/g) ?? []
    t.is(imports.length, 1)
    t.regex(code, /importInTurn\(\(\) => import\(/)
  })
}
