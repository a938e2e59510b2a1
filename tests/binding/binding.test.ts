// The door: the layout of a batch is the same on both sides, failures arrive as typed errors, a panic as ERR_INTERNAL.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { CORE_STATS, Core, type CoreOptions, coreStatsOf, Detokenizers, Text } from '../../ts/src/binding/index.js'
import { loadNative } from '../../ts/src/binding/node.js'
import { unwrap } from '../../ts/src/binding/outcome.js'
import { bundledModelDirectory } from '../../ts/src/config/bundled-model.js'
import { layout } from '../../ts/src/plugin/input-batch.js'

const options: CoreOptions = {
  blockSize: 4,
  numBlocks: 8,
  maxNumSeqs: 2,
  maxNumBatchedTokens: 16,
  maxModelLen: 16,
  maxLogitsRows: 4,
  enablePrefixCaching: true,
  enableChunkedPrefill: true,
  longPrefillTokenThreshold: 0,
  policy: 'fcfs',
  hashSecret: new Uint8Array(16),
}

test('every constant of the layout is the same in Rust and in TypeScript', async t => {
  const rust = (await loadNative()).batchLayout()
  const upper = (name: string) => name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()
  const same = (value: number, name: string) => t.is(value, rust[name] ?? Number.NaN, name)
  for (const [name, value] of Object.entries(layout.word)) {
    if (name !== 'magic' && name !== 'version') same(value, upper(name))
  }
  same(layout.magic, 'MAGIC')
  same(layout.version, 'VERSION')
  same(layout.headerWords, 'HEADER_WORDS')
  same(layout.flag.hostSampling, 'FLAG_HOST_SAMPLING')
  same(layout.flag.samples, 'FLAG_SAMPLES')
  const read = new Set(Object.keys(layout.word).map(upper))
  const others = ['MAGIC', 'VERSION', 'HEADER_WORDS', 'FLAG_HOST_SAMPLING', 'FLAG_SAMPLES']
  const constants = ['SECTION_ALIGNMENT_WORDS', 'TOKEN_OF_PREVIOUS_STEP', ...others]
  t.deepEqual(
    Object.keys(rust).filter(name => !read.has(name) && !constants.includes(name)),
    [],
  )
})

test('stats as numbers are the stats as an object', async t => {
  const native = await loadNative()
  const core = new Core(native, options)
  t.deepEqual(Object.keys(core.stats()), [...CORE_STATS, 'numAcceptedDraftTokensByPosition'])
  t.deepEqual(coreStatsOf(core.statNumbers()), core.stats())
  t.is(core.stats().numUsableBlocks, options.numBlocks - 1)
  t.deepEqual(core.stats().numAcceptedDraftTokensByPosition, [])
  const promptLookup = { maxDraftTokens: 3, minMatch: 1, maxMatch: 2, maxStepTokens: 8 }
  const guessing = new Core(native, { ...options, promptLookup })
  t.deepEqual(guessing.stats().numAcceptedDraftTokensByPosition, [0, 0, 0])
  t.deepEqual(coreStatsOf(guessing.statNumbers()), guessing.stats())
})

test('the texts of a step are cut where each sequence has its own', async t => {
  const native = await loadNative()
  const text = await Text.load(native, bundledModelDirectory(), undefined)
  const detokenizers = new Detokenizers(native, text.tokenizer)
  const said = ['Ähnlich, naïve 🦀', '', 'plain', '日本']
  const ids = await text.encode(said, false)
  const plain = {
    stop: [],
    includeStopStrInOutput: false,
    skipSpecialTokens: true,
    spacesBetweenSpecialTokens: true,
    minTokens: 0,
  }
  for (const sequence of said.keys()) detokenizers.add(sequence, Int32Array.of(), plain)
  const step = detokenizers.push(
    Int32Array.from(said.keys()),
    Int32Array.from(ids, each => each.length),
    Int32Array.from(ids.flatMap(each => [...each])),
    new Int32Array(said.length).fill(2),
  )
  t.deepEqual(
    step.texts,
    said.map((_, index) => text.decode(ids[index] as Int32Array, true)),
  )
  t.deepEqual(
    [...step.counts],
    ids.map(each => each.length),
  )
  t.true(step.stops.every(stop => stop === -1))
})

test('a configuration that cannot be is refused with the field in camelCase', async t => {
  const native = await loadNative()
  for (const [changes, parameter] of [
    [{ maxNumSeqs: 0 }, 'maxNumSeqs'],
    [{ numBlocks: 1 }, 'numBlocks'],
    [{ maxModelLen: 1 }, 'maxModelLen'],
  ] as const) {
    const error = t.throws(() => new Core(native, { ...options, ...changes }))
    t.like(error, { code: 'ERR_INVALID_ARGUMENT', parameter })
  }
  t.throws(() => new Core(native, { ...options, hashSecret: new Uint8Array(3) }), { code: 'ERR_INTERNAL' } as object)
})

test('a result that belongs to no step is a bug, and nothing changes', async t => {
  const core = new Core(await loadNative(), options)
  const error = t.throws(() => core.update(7, Int32Array.of(), Int32Array.of()))
  t.like(error, { code: 'ERR_INTERNAL' })
  t.regex(error?.message ?? '', /this is a bug/)
  t.is(core.schedule(), undefined)
  t.false(core.hasUnfinished())
  core.checkInvariants()
})

test('a step longer than the words kept is read into longer ones', async t => {
  const core = new Core(await loadNative(), {
    ...options,
    numBlocks: 4096,
    maxModelLen: 16_000,
    maxNumBatchedTokens: 8192,
    enablePrefixCaching: false,
  })
  const promptTokenIds = Int32Array.from({ length: 7000 }, (_, index) => index)
  core.add({
    promptTokenIds,
    stopTokenIds: [],
    ignoreEos: true,
    priority: 0,
    arrival: 0,
    skipReadingPrefixCache: false,
    repetitionDetection: { minPatternSize: 1, maxPatternSize: 2, minCount: 30 },
    sampling: {
      n: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      repetitionPenalty: 1,
      temperature: 0,
      topP: 1,
      topK: 0,
      minP: 0,
      seed: 0n,
      minTokens: 0,
      stopAndEosIds: [],
      logitBiasIds: [],
      logitBiases: [],
      badWords: [],
      hasGrammar: false,
    },
  })
  t.deepEqual(core.schedule()?.inputIds, promptTokenIds)
})

test('tokenizers: read, missing, broken', async t => {
  const native = await loadNative()
  const text = await Text.load(native, bundledModelDirectory(), undefined)
  t.is(text.decode([...((await text.encode(['Hello'], false))[0] ?? [])], true), 'Hello')
  t.throws(() => text.decode([-1], true), { code: 'ERR_TOKEN_OUT_OF_RANGE' } as object)
  const directory = await mkdtemp(join(tmpdir(), 'quire-'))
  t.teardown(() => rm(directory, { recursive: true }))
  await t.throwsAsync(Text.load(native, directory, undefined), { code: 'ERR_TOKENIZER' } as object)
  await writeFile(join(directory, 'tokenizer.json'), '{"model": {"type": "BPE", "vocab": 3}}')
  await t.throwsAsync(Text.load(native, directory, undefined), { code: 'ERR_TOKENIZER' } as object)
})

test('a panic on the other side is ERR_INTERNAL and says so', t => {
  const failure = { ok: false, code: 'ERR_INTERNAL', message: 'A panic in the native module: x (this is a bug)' }
  t.throws(() => unwrap(failure), { code: 'ERR_INTERNAL', message: /this is a bug/ } as object)
})
