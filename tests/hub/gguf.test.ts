// Models by name whose weights are GGUF files: which one is meant, and that only it is brought.

import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import test from 'ava'
import { chooseGguf } from '../../ts/src/hub/gguf-choice.js'
import { parseModelName } from '../../ts/src/hub/model-name.js'
import { pull, resolveModel } from '../../ts/src/hub/resolve-model.js'
import { bytes, hubCase, modelFiles } from './hub-case.js'

const ID = 'acme/tiny-GGUF'
const names = [
  'README.md',
  'config.json',
  'mmproj-tiny-F16.gguf',
  'tiny-Q4_K_M.gguf',
  'tiny-Q4_K_S.gguf',
  'tiny.Q8_0.gguf',
  'BF16/tiny-BF16-00001-of-00002.gguf',
  'BF16/tiny-BF16-00002-of-00002.gguf',
]

const chosen: readonly [string | undefined, readonly string[]][] = [
  [undefined, ['tiny-Q4_K_M.gguf']],
  ['Q4_K_M', ['tiny-Q4_K_M.gguf']],
  ['q8_0', ['tiny.Q8_0.gguf']],
  ['tiny.Q8_0.gguf', ['tiny.Q8_0.gguf']],
  ['tiny-Q4_K_S', ['tiny-Q4_K_S.gguf']],
  ['BF16', ['BF16/tiny-BF16-00001-of-00002.gguf', 'BF16/tiny-BF16-00002-of-00002.gguf']],
]
for (const [choice, files] of chosen) {
  test(`${choice ?? 'no choice'} is ${files[0]}`, t => {
    t.deepEqual(chooseGguf(names, choice, ID), files)
  })
}

const refused: readonly [string, readonly string[], string | undefined, RegExp][] = [
  ['an end that none has', names, 'Q2_K', /no GGUF file that is called or ends with 'Q2_K'.*It has BF16/],
  ['a piece of an end', names, 'K_M2', /no GGUF file/],
  [
    'several without the usual one',
    ['a-Q8_0.gguf', 'a-Q6_K.gguf'],
    undefined,
    /several GGUF files.*acme\/tiny-GGUF:Q6_K/,
  ],
  ['none', ['config.json'], 'Q4_0', /It has none/],
  ['a path that leaves the folder', ['../x-Q4_0.gguf', 'a/b/x-Q4_0.gguf'], 'Q4_0', /It has none/],
]
for (const [what, files, choice, message] of refused) {
  test(`refused: ${what}`, t => {
    t.throws(() => chooseGguf(files, choice, ID), { code: 'ERR_HUB_NOT_FOUND', message })
  })
}

test('names may have a choice and a revision', t => {
  t.deepEqual(parseModelName('a/b:Q4_0@v1', undefined), { id: 'a/b', revision: 'v1', gguf: 'Q4_0' })
  t.deepEqual(parseModelName('a/b:c.gguf', undefined), { id: 'a/b', revision: 'main', gguf: 'c.gguf' })
  for (const text of ['a/b:', 'a/b:x/y', 'a/b:c:d', 'C:/b', 'a:b/c']) t.is(parseModelName(text, undefined), undefined)
})

const files: Record<string, Buffer | string> = {
  ...Object.fromEntries(names.map((name, seed) => [name, bytes(3000, seed)])),
  'config.json': '{}',
}

test('of several files the one that is meant is brought, and found again without the hub', async t => {
  const { server, cacheDir, options } = await hubCase(t, files, ID)
  const path = await resolveModel(`${ID}:Q8_0`, options)
  t.is(basename(path), 'tiny.Q8_0.gguf')
  t.deepEqual(await readdir(join(path, '..')), ['tiny.Q8_0.gguf'])
  server.asked.length = 0
  t.is(await resolveModel(`${ID}:Q8_0`, { ...options, offline: true, cacheDir }), path)
  t.deepEqual(server.asked, [])
  await t.throwsAsync(resolveModel(`${ID}:Q4_K_S`, { ...options, offline: true, cacheDir }), {
    code: 'ERR_HUB_OFFLINE',
    message: /quire pull acme\/tiny-GGUF:Q4_K_S/,
  })
})

test('all parts of a split one are brought; its first is the model', async t => {
  const { options } = await hubCase(t, files, ID)
  const { file, files: brought } = await pull(`${ID}:BF16`, options)
  t.is(file, 'BF16/tiny-BF16-00001-of-00002.gguf')
  t.deepEqual(brought.map(({ name }) => name).sort(), chosen[5]?.[1])
  t.is(basename(await resolveModel(`${ID}:BF16`, options)), 'tiny-BF16-00001-of-00002.gguf')
})

test('a part that the hub lacks is named; safetensors come first where nothing else was asked', async t => {
  const { 'BF16/tiny-BF16-00002-of-00002.gguf': _, ...rest } = files
  const { options } = await hubCase(t, rest, ID)
  await t.throwsAsync(pull(`${ID}:BF16`, options), { code: 'ERR_HUB_NOT_FOUND', message: /has no .*00002-of-00002/ })
  const both = await hubCase(t, modelFiles)
  t.true((await readdir(await resolveModel('acme/tiny-model', both.options))).includes('model.safetensors'))
  t.is(basename(await resolveModel('acme/tiny-model:model-q4', both.options)), 'model-q4.gguf')
})
