// Data sets: lengths in tokens, what is taken and what is refused, the same for a seed. Files are those of QUIRE_SHARED.

import { existsSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import {
  DATASET_DEFAULTS,
  type DatasetOptions,
  loadPromptTokenizer,
  type SampleRequest,
  sampleDataset,
} from '../../ts/src/bench/index.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const shared = [process.env.QUIRE_SHARED, join(repository, '../shared')].find(
  folder => folder !== undefined && existsSync(join(folder, 'prompts')),
)
const bundled = await loadPromptTokenizer(join(repository, 'ts/assets/tiny-model'))
const withPrompts = shared === undefined ? test.skip : test
const reason = shared === undefined ? ' (skipped: there is no folder of prompts; QUIRE_SHARED names it)' : ''
const promptFile = (name: string) => join(shared ?? '', 'prompts', name)

const sample = (options: Partial<DatasetOptions>, tokenizer = bundled) =>
  sampleDataset({ ...DATASET_DEFAULTS, numPrompts: 40, ...options }, tokenizer)

async function fileOf(name: string, content: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'quire-dataset-')), name)
  await writeFile(path, content)
  return path
}

async function countsAreRight(t: { is(a: unknown, b: unknown): void }, samples: readonly SampleRequest[]) {
  const ids = await bundled.encode(
    samples.map(({ prompt }) => prompt),
    true,
  )
  for (const [index, { promptTokens }] of samples.entries()) t.is(promptTokens, ids[index]?.length)
}

test('random: lengths are met exactly, special tokens included', async t => {
  const samples = await sample({ random: { inputLen: 60, outputLen: 9, rangeRatio: 0, prefixLen: 0 } })
  t.is(samples.length, 40)
  await countsAreRight(t, samples)
  t.true(samples.every(({ promptTokens, outputTokens }) => promptTokens === 60 && outputTokens === 9))
  t.is(new Set(samples.map(({ prompt }) => prompt)).size, 40)
})

test('random: lengths vary, a beginning is shared', async t => {
  const samples = await sample({ random: { inputLen: 40, outputLen: 10, rangeRatio: 0.5, prefixLen: 30 } })
  await countsAreRight(t, samples)
  const outputs = samples.map(({ outputTokens }) => outputTokens)
  t.true(outputs.every(tokens => tokens >= 5 && tokens <= 15) && new Set(outputs).size > 3)
  t.true(samples.every(({ promptTokens }) => promptTokens >= 30 + 17 && promptTokens <= 30 + 63))
  const beginning = samples[0]?.prompt.slice(0, 25) ?? ''
  t.true(samples.every(({ prompt }) => prompt.startsWith(beginning)))
})

test('prefix_repetition: few beginnings, many ends', async t => {
  const prefixRepetition = { prefixLen: 24, suffixLen: 8, numPrefixes: 3, outputLen: 7 }
  const samples = await sample({ name: 'prefix_repetition', prefixRepetition })
  t.is(samples.length, 39)
  await countsAreRight(t, samples)
  const beginnings = new Map<string, number>()
  for (const { prompt } of samples) {
    const beginning = prompt.slice(0, 16)
    beginnings.set(beginning, (beginnings.get(beginning) ?? 0) + 1)
  }
  t.deepEqual([...beginnings.values()], [13, 13, 13])
  await t.throwsAsync(sample({ name: 'prefix_repetition', prefixRepetition, numPrompts: 2 }), {
    code: 'ERR_INVALID_ARGUMENT',
  })
})

test('a seed decides', async t => {
  const random = { inputLen: 20, outputLen: 5, rangeRatio: 0.5, prefixLen: 0 }
  const [a, b, c] = [
    await sample({ random, seed: 3 }),
    await sample({ random, seed: 3 }),
    await sample({ random, seed: 4 }),
  ]
  t.deepEqual(a, b)
  t.notDeepEqual(a, c)
})

test('custom: lines with prompts, of their own length if asked', async t => {
  const lines = [
    { prompt: 'Once upon a time' },
    { prompt: 'The cat', output_tokens: 3 },
    { prompt: 'A dog ran', output_tokens: 5 },
  ]
  const path = await fileOf('a.jsonl', `${lines.map(line => JSON.stringify(line)).join('\n')}\n\n`)
  const ordered = await sample({
    name: 'custom',
    path,
    disableShuffle: true,
    noOversample: true,
    customOutputLen: 11,
    applyChatTemplate: false,
  })
  t.deepEqual(
    ordered.map(({ prompt, outputTokens }) => [prompt, outputTokens]),
    lines.map(({ prompt }) => [prompt, 11]),
  )
  await countsAreRight(t, ordered)
  const [rendered] = await sample({ name: 'custom', path, disableShuffle: true })
  t.regex(rendered?.prompt ?? '', /^<.*>Once upon a time<.*>$/, 'by the chat template')
  t.is((await sample({ name: 'custom', path })).length, 40, 'some come twice')
  await t.throwsAsync(sample({ name: 'custom', path, customOutputLen: -1 }), { message: /Line 1 .*output_tokens/ })
})

const sharegpt = (...pairs: string[][]) =>
  JSON.stringify(pairs.map(turns => ({ conversations: turns.map(value => ({ from: 'x', value })) })))
const long = 'once upon a time there was a little girl who liked to play '

test('sharegpt: pairs of a usable length', async t => {
  const path = await fileOf(
    's.json',
    sharegpt([long, long], ['x', long], [long, 'y'], [long], [long.repeat(300), long]),
  )
  const own = await sample({ name: 'sharegpt', path, noOversample: true })
  t.is(own.length, 1)
  t.deepEqual(own[0]?.outputTokens, own[0]?.promptTokens)
  const asked = await sample({ name: 'sharegpt', path, noOversample: true, shareGptOutputLen: 2 })
  t.deepEqual(
    asked.map(({ outputTokens }) => outputTokens),
    [2, 2, 2],
  )
})

const broken: readonly [string, DatasetOptions['name'], string, RegExp][] = [
  ['no list', 'sharegpt', '{}', /not a list of conversations/],
  ['no JSON', 'sharegpt', '[', /is not JSON/],
  [
    'nothing usable',
    'sharegpt',
    '[null, 3, {"conversations": 5}, {"conversations": [null, {}]}]',
    /no conversation of a usable length/,
  ],
  ['no lines', 'custom', '\n\n', /no lines/],
  ['a line that is no JSON', 'custom', '{"prompt":"a"}\n{"prompt":', /Line 2 of the data set is not JSON/],
  ['a line without a prompt', 'custom', '{"prompt":5}', /Line 1 .*`prompt`/],
  ['null', 'custom', 'null', /Line 1 .*`prompt`/],
  ['no lines of a poem', 'sonnet', ' \n', /no lines/],
  ['lines that are too long', 'sonnet', long.repeat(40), /Hardly a prompt/],
]

for (const [name, dataset, content, message] of broken) {
  test(`refused: ${dataset} with ${name}`, async t => {
    const path = await fileOf('x.json', content)
    await t.throwsAsync(sample({ name: dataset, path }), { code: 'ERR_INVALID_ARGUMENT', message })
  })
}

test('refused: no file, or one too many', async t => {
  await t.throwsAsync(sample({ name: 'custom' }), { message: /needs a file/ })
  await t.throwsAsync(sample({ name: 'random', path: '/x' }), { message: /has no file/ })
  await t.throwsAsync(sample({ name: 'sonnet', path: '/nowhere/x.txt' }), { message: /ENOENT/ })
})

withPrompts(`the shared files${reason}`, async t => {
  const sonnets = await sample({ name: 'sonnet', path: promptFile('sonnet.txt') })
  await countsAreRight(t, sonnets)
  t.true(sonnets.every(({ promptTokens }) => promptTokens <= 550 && promptTokens > 350))
  const beginning = sonnets[0]?.prompt.slice(0, 120) ?? ''
  t.true(sonnets.every(({ prompt }) => prompt.startsWith(beginning)))
  t.is(new Set(sonnets.map(({ prompt }) => prompt)).size, 40)
  const pairs = await sample({ name: 'sharegpt', path: promptFile('dummy_conversation_sharegpt_format.json') })
  t.is(pairs.length, 40)
  await countsAreRight(t, pairs)
  const single = { name: 'sharegpt', path: promptFile('ShareGPT_V3_filtered_500.json') } as const
  await t.throwsAsync(sample(single), { message: /no conversation/ })
  t.is((await sample({ ...single, shareGptOutputLen: 64 })).length, 40)
  const code = await sample({ name: 'custom', path: promptFile('HumanEval.jsonl'), numPrompts: 300 })
  t.is(code.length, 300)
  await countsAreRight(t, code.slice(0, 40))
})

const tokenizers = ['gpt2', 'llama-2', 'llama-3.1', 'qwen2.5', 'mistral-v3']
withPrompts(`random lengths are met by other tokenizers${reason}`, async t => {
  for (const name of tokenizers) {
    const tokenizer = await loadPromptTokenizer(join(shared ?? '', 'tokenizers', name))
    const random = { inputLen: 100, outputLen: 5, rangeRatio: 0, prefixLen: 0 }
    const samples = await sample({ random, numPrompts: 20 }, tokenizer)
    const missed = samples.filter(({ promptTokens }) => promptTokens !== 100)
    t.true(missed.length <= 1, `${name}: ${missed.map(({ promptTokens }) => promptTokens)}`)
  }
})
