// The decisions of the build scripts that can be wrong without anybody noticing: versions, licences, lock entries, freshness.

import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import test from 'ava'
import { scriptLine } from '../../ts/build/execute.mjs'
import { isAllowed } from '../../ts/build/licences.mjs'
import { missingPlatforms } from '../../ts/build/lock-platforms.mjs'
import { inRoot, packageFolders } from '../../ts/build/repository.mjs'
import { checkNode, checkRust, isAtLeast } from '../../ts/build/requirements.mjs'
import { unlessFresh } from '../../ts/build/stamp.mjs'

const versions: readonly (readonly [version: string, needed: string, enough: boolean])[] = [
  ['20.19.0', '20.19.0', true],
  ['20.18.9', '20.19.0', false],
  ['22.1.0', '20.19.0', true],
  ['1.100.0', '1.90', true],
  ['1.9.0', '1.90', false],
]
for (const [version, needed, enough] of versions)
  test(`${version} is ${enough ? '' : 'not '}at least ${needed}`, t => t.is(isAtLeast(version, needed), enough))

test('a missing or old tool is one sentence that says what to install', t => {
  for (const [check, words] of [
    [() => checkNode('18.20.1'), /Node\.js .*18\.20\.1.*nodejs\.org/],
    [() => checkRust(undefined, '1.90'), /Rust 1\.90 .*cargo was not found.*rustup\.rs/],
    [() => checkRust('cargo 1.80.1 (376290515 2024-07-16)', '1.90'), /Rust 1\.90 .*1\.80\.1.*rustup\.rs/],
  ] as const)
    t.throws(check, { name: 'StepError', message: words })
  t.notThrows(() => checkRust('cargo 1.95.0 (f2d3ce0bd 2026-03-21)', '1.90'))
})

const licences: readonly (readonly [expression: string, allowed: boolean])[] = [
  ['MIT', true],
  ['GPL-3.0', false],
  ['MIT OR GPL-3.0', true],
  ['GPL-3.0 OR MIT', true],
  ['MIT AND GPL-3.0', false],
  ['(MIT OR Apache-2.0) AND Unicode-3.0', true],
  ['MIT/Apache-2.0', true],
  ['Apache-2.0 WITH LLVM-exception OR MIT', true],
  ['GPL-2.0 WITH Classpath-exception-2.0', false],
  ['', false],
  ['GPL-2.0 OR (MIT', false],
]
for (const [expression, allowed] of licences)
  test(`licence "${expression}" is ${allowed ? '' : 'not '}allowed`, t => t.is(isAllowed(expression), allowed))

test('on Windows scripts get a line of the shell, programs their arguments as they are', t => {
  const node = 'C:\\Program Files\\nodejs\\node.exe'
  t.is(scriptLine(node, ['quire.js', '--prompt', 'Once upon'], 'win32'), undefined)
  t.is(scriptLine('cargo', ['build'], 'win32'), undefined)
  t.is(scriptLine('npm', ['ci', '--loglevel=error'], 'linux'), undefined)
  t.is(scriptLine('npm', ['ci', '--loglevel=error'], 'win32'), 'npm ci --loglevel=error')
  t.is(scriptLine('C:\\a b\\napi.cmd', ['-o', 'x & y'], 'win32'), '"C:\\a b\\napi.cmd" -o "x & y"')
})

test('tsconfig.json refers to every package, so that tsc and editors know them all', t => {
  const { references } = JSON.parse(readFileSync(inRoot('tsconfig.json'), 'utf8')) as { references: { path: string }[] }
  // A package may have more than one configuration.
  const folders = references.map(({ path }) => path.replace(/\/tsconfig\.\w+\.json$/, ''))
  t.deepEqual([...new Set(folders)], packageFolders)
})

test('the lock file gets the platforms that npm left out, and no others', t => {
  const lock = {
    packages: {
      'node_modules/tool': {
        dev: true,
        optionalDependencies: {
          '@tool/cli-darwin-arm64': '1.2.3',
          '@tool/cli-linux-x64-musl': '1.2.3',
          there: '1.0.0',
        },
      },
      'node_modules/there': { version: '1.0.0' },
    },
  }
  t.deepEqual(missingPlatforms(lock), {
    'node_modules/@tool/cli-darwin-arm64': {
      version: '1.2.3',
      cpu: ['arm64'],
      dev: true,
      optional: true,
      os: ['darwin'],
    },
    'node_modules/@tool/cli-linux-x64-musl': {
      version: '1.2.3',
      cpu: ['x64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    },
  })
})

test('a step runs again when an input, a fact or an output changes, and only then', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'quire-stamp-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [input, output] = [join(folder, 'input'), join(folder, 'output')]
  const step = (fact: string) =>
    unlessFresh({
      stamp: join(folder, 'stamp'),
      inputs: [relative(inRoot(), input)],
      outputs: [relative(inRoot(), output)],
      facts: [fact],
      make: () => writeFile(output, 'made'),
    })
  await writeFile(input, 'one')
  t.true(await step('a'), 'the first time')
  t.false(await step('a'), 'nothing changed')
  await writeFile(input, 'longer')
  t.true(await step('a'), 'another input')
  t.true(await step('b'), 'another fact')
  await rm(output)
  t.true(await step('b'), 'no output')
  await t.throwsAsync(
    unlessFresh({ stamp: join(folder, 'other'), inputs: [], outputs: [], make: () => Promise.reject(new Error('no')) }),
  )
  t.true(
    await unlessFresh({ stamp: join(folder, 'other'), inputs: [], outputs: [], make: async () => {} }),
    'it had failed',
  )
})
