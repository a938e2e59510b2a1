// What a step costs beside the runner's own time, where the runner is in a Python process: 64 rows of 32k logits, batches of
// the core's own, a runner that returns at once. Logits are where both processes see them; nothing here copies them.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { definePythonPlugin } from '@quire-llm/python-worker'
import { Core } from '../../ts/dist/binding/index.js'
import { loadNative, shareMemory } from '../../ts/dist/binding/node.js'
import { SamplingParams } from '../../ts/dist/config/index.js'
import { toLoopRequest } from '../../ts/dist/engine/engine-request.js'
import { allocateKvCache } from '../../ts/dist/executor/kv-cache.js'
import { median, report } from './result-file.mjs'

const ROWS = 64
const VOCABULARY = 32_000
const PROMPT_TOKENS = 128
const STEPS = 300
const ROUNDS = 5
const device = { kind: 'cpu', index: 0 }
const limits = { maxNumSeqs: ROWS, maxNumBatchedTokens: 16_384, maxModelLen: 2048 }
const blockSize = 16

const inRepository = path => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** A Python with NumPy and msgpack: QUIRE_PYTHON, or one of the environments of the tests. */
const python = [process.env.QUIRE_PYTHON, ...['jax', 'torch', 'mindspore'].map(pythonOf)].find(existsSync)
if (python === undefined) {
  console.log('step-overhead: skipped, there is no Python for it: set QUIRE_PYTHON, or run `npm run test:frameworks`')
  process.exit(0)
}

function pythonOf(name) {
  return inRepository(`.cache/python/${name}/bin/python`)
}

/** A description of a model; the fake runner reads no weights. */
function writeModel(folder) {
  const config = JSON.parse(readFileSync(inRepository('tests/fixtures/llama_gqa/config.json'), 'utf8'))
  const changes = { vocab_size: VOCABULARY, max_position_embeddings: limits.maxModelLen }
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }))
}

const plugin = definePythonPlugin({
  name: 'fake',
  priority: 1,
  pythonPath: new URL('../../plugins/_python-worker/python/tests/', import.meta.url),
  module: 'quire_fake',
  distribution: 'numpy',
  versions: { atLeast: '1', below: '3' },
  capabilities: {},
})

const native = await loadNative()
const env = { ...process.env, QUIRE_PYTHON: python, QUIRE_FAKE_FAULT: 'instant' }
const opened = await plugin.open({ env, shareMemory: byteLength => shareMemory(native, byteLength, env) })
const folder = mkdtempSync(join(tmpdir(), 'quire-bench-'))
try {
  writeModel(folder)
  const runner = await opened.createRunner({ device, dtype: 'float32', rank: 0, worldSize: 1, blockSize })
  const { vocabSize } = await runner.loadModel({ path: folder }, () => {})
  await runner.profile({ ...limits, maxLogitsRows: ROWS, blockSize })
  const numBlocks = 1 + ROWS * (limits.maxModelLen / blockSize)
  await runner.bindKvCache(allocateKvCache(opened.framework, runner.kvCacheSpec(), numBlocks, device))
  const core = new Core(native, {
    ...limits,
    maxLogitsRows: ROWS,
    blockSize,
    numBlocks,
    vocabSize,
    enablePrefixCaching: false,
    enableChunkedPrefill: true,
    longPrefillTokenThreshold: 0,
    policy: 'fcfs',
    hashSecret: Buffer.alloc(16),
  })
  for (let arrival = 0; arrival < ROWS; arrival += 1) {
    const params = new SamplingParams({
      temperature: 0,
      maxTokens: limits.maxModelLen - PROMPT_TOKENS,
      ignoreEos: true,
    })
    const promptTokenIds = Int32Array.from({ length: PROMPT_TOKENS }, (_, at) => (at * 7 + arrival) % VOCABULARY)
    core.add(toLoopRequest({ params }, { promptTokenIds, eosTokenIds: [2], seed: 0n, arrival, badWords: [] }))
  }
  const logits = runner.logitsMemory()
  const ones = new Int32Array(ROWS).fill(1)
  /** Microseconds of one step's `execute`. */
  const step = async () => {
    const batch = core.schedule()
    const startedAt = performance.now()
    await runner.execute(batch, logits)
    const microseconds = (performance.now() - startedAt) * 1000
    core.update(batch.stepId, ones.subarray(0, batch.numRows), ones.subarray(0, batch.numRows))
    return microseconds
  }
  await step() // every prompt
  for (let warm = 0; warm < 200; warm += 1) await step()
  const rounds = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const samples = []
    for (let index = 0; index < STEPS; index += 1) samples.push(await step())
    samples.sort((a, b) => a - b)
    const at = share => Math.round(samples[Math.floor(samples.length * share)])
    rounds.push({ p10: at(0.1), p50: at(0.5), p90: at(0.9), p99: at(0.99) })
  }
  const figures = Object.fromEntries(
    ['p10', 'p50', 'p90', 'p99'].map(name => [`${name}_us`, median(rounds.map(round => round[name]))]),
  )
  report('step-overhead', {
    unit: 'microseconds of a step beside the runner, median of rounds',
    rows: ROWS,
    vocabulary: VOCABULARY,
    steps_each: STEPS,
    rounds: ROUNDS,
    p50_of_rounds_us: rounds.map(round => round.p50),
    ...figures,
  })
} finally {
  await opened.close()
  rmSync(folder, { recursive: true })
}
