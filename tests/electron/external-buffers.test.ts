// A JavaScript that forbids buffers over foreign memory, as Electron's does: the native modules are copied with the names of the
// two functions changed, and a library that is loaded before them has functions of these names, which refuse.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { type Finished, run, succeeded } from '../apps/run-program.js'
import { specs } from '../runtimes/specs.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const here = join(root, 'tests/electron')
const CALLS = ['napi_create_external_arraybuffer', 'napi_create_external_buffer'] as const
const ASKED = 'an external buffer was asked for\n'

/** The native modules as they were built. */
async function addons(): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const folder of ['ts/native', 'plugins/candle-cpu/native'])
    for (const name of (await readdir(join(root, folder))).filter(file => file.endsWith('.node')))
      found.set(name, await readFile(join(root, folder, name)))
  return found
}

const folder = await mkdtemp(join(tmpdir(), 'quire-no-external-'))
const library = join(folder, 'refuse.so')
const compiled: Finished | { readonly reason: string } =
  process.platform === 'linux'
    ? await run(['cc', '-shared', '-fPIC', '-o', library, join(here, 'external-buffers.c')], here)
    : { reason: `the library is loaded by LD_PRELOAD, which ${process.platform} does not have` }

test.after.always(() => rm(folder, { recursive: true }))

test('only shared memory has the means to make such a buffer', async t => {
  const made = [...(await addons())].map(([name, bytes]) => [
    name.split('.')[0],
    CALLS.filter(call => bytes.includes(`${call}\0`)),
  ])
  t.deepEqual(Object.fromEntries(made), { quire: [CALLS[0]], 'quire-candle': [] })
})

if ('reason' in compiled || compiled.code !== 0) {
  test.skip(`no external buffers: ${'reason' in compiled ? compiled.reason : compiled.stderr.trim()}`, () => {})
} else {
  test.before('the native modules ask others', async () => {
    for (const [name, bytes] of await addons()) {
      for (const call of CALLS) {
        for (let at = bytes.indexOf(`\0${call}\0`); at !== -1; at = bytes.indexOf(`\0${call}\0`))
          bytes.write('quir', at + 1)
      }
      await writeFile(join(folder, name), bytes)
    }
  })

  const inside = (program: readonly string[]) =>
    run([process.execPath, ...program], join(root, 'tests/runtimes'), { LD_PRELOAD: library, QUIRE_NATIVE_DIR: folder })

  test.serial('everything that every runtime does works without, and never asks', async t => {
    const finished = await inside(['run-specs.mjs'])
    const results = JSON.parse(succeeded(finished).trimEnd().split('\n').at(-1) ?? '') as Record<
      string,
      { error?: string }
    >
    t.deepEqual(Object.keys(results), Object.keys(specs))
    for (const [name, { error }] of Object.entries(results)) t.is(error, undefined, name)
    t.false(finished.stderr.includes(ASKED), finished.stderr)
  })

  test.serial('memory shared with a worker of Python asks, and is a typed error', async t => {
    const finished = await inside([join(here, 'ask-for-shared-memory.mjs'), folder])
    t.deepEqual(JSON.parse(succeeded(finished)), { code: 'ERR_NOT_SUPPORTED', isBuffer: false })
    t.is(finished.stderr, ASKED)
  })
}
