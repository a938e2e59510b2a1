// The guide for plugin authors is true: its code is the code of the plugins that it makes, its batch is a batch, its tables
// are whole.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { InputBatch, layout } from '../../ts/src/plugin/input-batch.js'
import { buildInputBatch } from '../../ts/src/testing/batch-builder.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const guidePath = join(root, 'docs/write-a-plugin.md')
const guide = readFileSync(guidePath, 'utf8')

interface Block {
  readonly language: string
  readonly path: string | undefined
  readonly text: string
}

const blocks: readonly Block[] = [...guide.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(match => ({
  language: match[1] as string,
  path: match[2],
  text: match[3] as string,
}))
const named = blocks.filter(({ path }) => path !== undefined)

test('code in the guide names the file that it is from', t => {
  t.true(named.length > 15)
  t.deepEqual(
    blocks.filter(({ path, language }) => path === undefined && language !== 'text').map(({ text }) => text),
    [],
  )
})

for (const [index, { path, text }] of named.entries()) {
  test(`block ${index + 1} is ${path}, or a part of it`, t => {
    const file = readFileSync(join(root, path as string), 'utf8')
    t.true(`\n${file}`.includes(`\n${text}`), text)
  })
}

test('links lead somewhere', t => {
  const headings = [...guide.matchAll(/^#+ (.*)$/gm)].map(([, title]) => `#${anchor(title as string)}`)
  for (const [, target] of guide.matchAll(/\]\(([^)]+)\)/g)) {
    const [file, fragment] = (target as string).split('#')
    if (file === '') t.true(headings.includes(`#${fragment}`), target)
    else t.true(existsSync(resolve(dirname(guidePath), file as string)), target)
  }
})

test('the batch of the guide is the one that these sequences make', t => {
  const batch = buildInputBatch(
    [
      { sequenceId: 7, row: 0, tokenIds: [11, 12, 13, 14, 15], numComputed: 0, blockTable: [3, 8], samples: true },
      { sequenceId: 4, row: 3, tokenIds: [21], numComputed: 6, blockTable: [2, 5], samples: true },
      { sequenceId: 9, row: 1, tokenIds: [31, 32], numComputed: 0, blockTable: [6] },
    ],
    { blockSize: 4 },
  )
  const shown = blocks.find(({ text }) => text.startsWith('blockSize'))?.text ?? ''
  const lines = shown.trimEnd().split('\n')
  t.is(lines.length, 17)
  for (const line of lines) {
    const [name, ...numbers] = line.split(/ +/)
    const value = batch[name as 'inputIds' | 'numRows']
    t.deepEqual(numbers.map(Number), typeof value === 'number' ? [value] : Array.from(value), name)
  }
})

test('the guide has every field of a batch and every call of the contract', t => {
  const fields = Object.getOwnPropertyNames(InputBatch.prototype).filter(name => name !== 'constructor')
  t.true(fields.length >= Object.keys(layout.word).length - 4)
  const contract = ['framework.ts', 'model-runner.ts'].map(name =>
    readFileSync(join(root, 'ts/src/plugin', name), 'utf8'),
  )
  const calls = contract.flatMap(text =>
    [...text.matchAll(/^ {2}(?:readonly )?(\w+)[?]?[(:]/gm)].map(match => match[1] as string),
  )
  t.true(calls.includes('copyBlocks') && calls.includes('kvCacheSpec') && calls.includes('deviceSampling'))
  const words = new Set(guide.match(/\w+/g))
  t.deepEqual(
    [...fields, ...calls].filter(name => !words.has(name)),
    [],
  )
})

test('the guide has every error code that a plugin may meet', t => {
  const codes = readFileSync(join(root, 'plugins/_python-worker/python/quire_worker/errors.py'), 'utf8').match(
    /ERR_\w+/g,
  )
  t.deepEqual(
    [...new Set(codes)].filter(code => !guide.includes(`\`${code}\``)),
    [],
  )
})

/** As GitHub makes them. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}
