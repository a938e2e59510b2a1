// The tables of docs/serve.md say what is so: every flag of `quire serve` and every endpoint is in them, and vLLM's flags do
// what their rows say.

import test from 'ava'
import { foreignFlags, passOver } from '../../ts/src/cli/foreign-flags.js'
import { normalArguments } from '../../ts/src/cli/serve-arguments.js'
import { serveAliases, serveRows } from '../../ts/src/cli/serve-options.js'
import { UsageError } from '../../ts/src/cli/usage-error.js'
import { routesFor } from '../../ts/src/server/routes.js'
import { quoted, readGuide, tableUnder } from './guide-blocks.js'

const guide = readGuide('serve.md')
const rowNames = new Set(serveRows.map(({ name }) => name))
const flagRows = tableUnder(guide, "From vLLM's flags").map(([flags = '', here = '']) => ({
  flags: quoted(flags).map(flag => flag.replace(/^--/, '')),
  here,
}))
const onlyHere = quoted(/^Only here: ([\s\S]*?)\.$/m.exec(guide)?.[1] ?? '').map(flag => flag.replace(/^--/, ''))

const everything = { dev: true, ui: true, docs: true, tokenizerInfo: true }

test('every endpoint is in the table, and no other', t => {
  const listed = tableUnder(guide, 'Endpoints').flatMap(([endpoints = '']) => quoted(endpoints))
  const served = routesFor(everything).map(({ method, path }) => `${method} ${path}`)
  t.deepEqual([...listed].sort(), [...served].sort())
})

test('endpoints that need --dev are in its row, and no other', t => {
  const dev = tableUnder(guide, 'Endpoints').find(([, what = '']) => what.includes('--dev'))
  const always = new Set(routesFor({ ...everything, dev: false }).map(({ path }) => path))
  const withDev = routesFor(everything).filter(({ path }) => !always.has(path))
  t.deepEqual([...quoted(dev?.[0] ?? '')].sort(), withDev.map(({ method, path }) => `${method} ${path}`).sort())
})

test('every flag of `quire serve` is in the table or said to be only here, in one of both', t => {
  const same = flagRows.flatMap(({ flags, here }) => (here.startsWith('the same') ? flags : []))
  const stated = [...same, ...onlyHere]
  t.deepEqual(
    [...rowNames].filter(name => !stated.includes(name)),
    [],
    'not in docs/serve.md',
  )
  t.deepEqual(
    stated.filter(name => !rowNames.has(name)),
    [],
    'no flags of quire serve',
  )
  t.is(new Set(stated).size, stated.length)
})

test('no flag is said to be missing that `quire serve` has', t => {
  t.deepEqual(
    foreignFlags.filter(name => rowNames.has(name) || Object.hasOwn(serveAliases, name)),
    [],
  )
  t.is(new Set(foreignFlags).size, foreignFlags.length)
})

test('every name that vLLM has for one of our flags is in the table', t => {
  const listed = flagRows.flatMap(({ flags, here }) =>
    here.includes('both are taken') ? flags.map(flag => [flag, quoted(here)[0]?.replace(/^--/, '')]) : [],
  )
  const twice = Object.entries(serveAliases).filter(([alias]) => !rowNames.has(alias))
  t.deepEqual(Object.fromEntries(listed), Object.fromEntries(twice))
})

for (const { flags, here } of flagRows) {
  for (const flag of flags) {
    test(`--${flag}: ${here}`, t => {
      const isTaken = (...words: readonly string[]): boolean => {
        try {
          normalArguments([`--${flag}`, ...words], serveRows, serveAliases)
          return true
        } catch (error) {
          if (error instanceof UsageError) return false
          throw error
        }
      }
      if (here.startsWith('the same')) t.true(rowNames.has(flag))
      else if (here.includes('both are taken')) t.true(Object.hasOwn(serveAliases, flag))
      else if (here.startsWith('taken, and changes nothing')) t.is(passOver(flag, undefined, []), 'flag')
      else if (here.startsWith('taken with')) {
        t.true(isTaken(quoted(here)[0] as string))
        t.false(isTaken('bogus'))
      } else {
        t.true(here.startsWith('not here'))
        t.false(isTaken())
        t.false(isTaken('1'))
      }
    })
  }
}
