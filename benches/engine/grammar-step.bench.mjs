// What structured outputs add to a step, over the vocabulary of Llama 3.1 and schemas from real use: the time of the masks, which
// passes while the device runs the step, and what sampling takes longer, which does not. Needs the folder of shared vectors
// (QUIRE_SHARED). No model runs: logits are random.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Core, Grammars, HostSampler } from '../../ts/dist/binding/index.js'
import { loadNative } from '../../ts/dist/binding/node.js'
import { SamplingParams } from '../../ts/dist/config/index.js'
import { toLoopRequest } from '../../ts/dist/engine/engine-request.js'
import { report } from './result-file.mjs'

const VOCABULARY = 128_256
const END = 128_009
const STEPS = 60
const THREADS = 2
const shared = process.env.QUIRE_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url))
const sample = join(shared, 'prompts/jsonschemabench_sample.jsonl')
if (!existsSync(sample)) {
  console.log(`grammar-step: skipped, ${sample} is absent`)
  process.exit(0)
}
const schemas = readFileSync(sample, 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line).schema)

const native = await loadNative()
const grammars = await Grammars.create(native, {
  tokenizerPath: join(shared, 'tokenizers/llama-3.1'),
  vocabSize: VOCABULARY,
  eosTokenIds: [END],
  threads: THREADS,
})

/** Random logits for so many rows; sampling uses them up. */
function noise(numRows) {
  const logits = new Float32Array(numRows * VOCABULARY)
  for (let index = 0; index < logits.length; index += 1) logits[index] = Math.random() * 8
  return logits
}

/** As many schemas as rows, of those that compile. */
async function compiled(numRows) {
  const found = []
  for (const json of schemas) {
    if (found.length === numRows) break
    const params = new SamplingParams({ maxTokens: null, structuredOutputs: { json } })
    const request = requestOf(params, found.length)
    try {
      found.push({ request, grammar: await grammars.compile(request.grammar.source) })
    } catch {
      // Not supported.
    }
  }
  return found
}

function requestOf(params, arrival) {
  const context = {
    promptTokenIds: Int32Array.of(1, 2, 3),
    eosTokenIds: [END],
    seed: BigInt(arrival),
    arrival,
    badWords: [],
  }
  return toLoopRequest({ params }, context)
}

async function run(numRows, constrained) {
  const core = new Core(native, {
    blockSize: 16,
    numBlocks: 64 * numRows,
    maxNumSeqs: numRows,
    maxNumBatchedTokens: 8192,
    maxModelLen: 1000,
    maxLogitsRows: numRows,
    enablePrefixCaching: false,
    enableChunkedPrefill: true,
    longPrefillTokenThreshold: 0,
    policy: 'fcfs',
    hashSecret: new Uint8Array(16),
  })
  const sampler = new HostSampler(native, {
    vocabSize: VOCABULARY,
    maxLogprobs: 20,
    logprobsMode: 'raw_logprobs',
    threads: THREADS,
  })
  const requests = await compiled(numRows)
  const first = new Map()
  const add = index => {
    const { request, grammar } = requests[index]
    const { grammar: asked, ...coreRequest } = request
    const admission = core.add(coreRequest)
    sampler.add(admission.first, 1, coreRequest.sampling, coreRequest.promptTokenIds)
    if (constrained) grammars.add(admission.first, 1, grammar, asked.follow)
    first.set(admission.first, index)
  }
  requests.forEach((_, index) => {
    add(index)
  })
  const template = noise(numRows)
  const logits = new Float32Array(template.length)
  const times = { masks: [], sampling: [] }
  for (let step = 0; step < STEPS; step += 1) {
    const batch = core.schedule()
    if (batch === undefined) break
    logits.set(template)
    const began = performance.now()
    if (constrained) await grammars.prepare(batch)
    const prepared = performance.now()
    const drawn = await sampler.sample(batch, logits, constrained ? grammars : undefined)
    const done = performance.now()
    times.masks.push(prepared - began)
    times.sampling.push(done - prepared)
    grammars.takeFailures()
    const output = core.update(batch.stepId, drawn.counts, drawn.tokenIds, drawn.numForced)
    // A sequence that ends makes room for another of the same schema.
    for (const [index, id] of [...output.sequences].entries()) {
      if (output.finishReasons[index] === 0) continue
      sampler.remove(id)
      grammars.remove(id)
      add(first.get(id))
    }
  }
  for (const id of first.keys()) grammars.remove(id)
  return times
}

const at = (values, share) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)]
const figures = {}
for (const numRows of [1, 16, 64]) {
  const free = await run(numRows, false)
  const constrained = await run(numRows, true)
  figures[`${numRows} rows`] = {
    masksP50Ms: at(constrained.masks, 0.5),
    masksP99Ms: at(constrained.masks, 0.99),
    samplingP50Ms: at(constrained.sampling, 0.5),
    samplingP99Ms: at(constrained.sampling, 0.99),
    samplingWithoutP50Ms: at(free.sampling, 0.5),
    samplingWithoutP99Ms: at(free.sampling, 0.99),
  }
}
report('grammar-step', { vocabulary: VOCABULARY, steps: STEPS, threads: THREADS, ...figures })
