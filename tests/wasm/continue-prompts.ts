// One loop over either door: the scheduler, the runner and the sampler as bare classes, without an engine above them.

import { Core, type CoreRequest, HostSampler, type Native } from '../../ts/src/binding/index.js'
import { unwrap } from '../../ts/src/binding/outcome.js'

/** What the native modules export, or the WebAssembly module. */
export interface Doors {
  readonly native: Native
  readonly candle: typeof import('../../plugins/candle-cpu/native/native.js')
}

export interface Prompt {
  readonly tokenIds: readonly number[]
  readonly maxTokens: number
  readonly stopTokenIds: readonly number[]
  readonly sampling?: Partial<CoreRequest['sampling']>
}

const BLOCK_SIZE = 16
const NUM_BLOCKS = 512
const NUM_ROWS = 64

/** Of the runner, and how many tokens a step has at most. Kernels: absent = the best here. */
export interface RunnerChoices {
  readonly dtype?: string
  readonly quantization?: string
  readonly kernels?: string
  readonly stepTokens?: number
}

/** All prompts at once, to their ends: the ids that follow each. */
export async function continuePrompts(
  doors: Doors,
  path: string,
  prompts: readonly Prompt[],
  { stepTokens = 256, ...choices }: RunnerChoices = {},
): Promise<number[][]> {
  const { native, candle } = doors
  const runner = unwrap(await candle.Runner.load(path, { dtype: 'float32', threads: 1, ...choices }, () => {}))
  const info = unwrap(runner.modelInfo())
  const spec = unwrap(runner.kvCacheSpec(BLOCK_SIZE))
  const shape = [2, NUM_BLOCKS, spec.numKvHeads, BLOCK_SIZE, spec.entryElements]
  const layers = Array.from({ length: spec.numLayers }, () => unwrap(candle.NativeTensor.zeros(shape, spec.dtype)))
  unwrap(runner.bindKvCache(layers))
  unwrap(await runner.warmup())

  const core = new Core(native, {
    blockSize: BLOCK_SIZE,
    numBlocks: NUM_BLOCKS,
    maxNumSeqs: Math.min(NUM_ROWS, stepTokens),
    maxNumBatchedTokens: stepTokens,
    maxModelLen: Math.min(info.maxPositionEmbeddings, 1024),
    maxLogitsRows: Math.min(NUM_ROWS, stepTokens),
    enablePrefixCaching: true,
    enableChunkedPrefill: true,
    longPrefillTokenThreshold: 0,
    policy: 'fcfs',
    hashSecret: new Uint8Array(16),
  })
  const sampler = new HostSampler(native, {
    vocabSize: info.vocabSize,
    maxLogprobs: 0,
    logprobsMode: 'raw_logprobs',
    threads: 1,
  })
  const outputs = new Map<number, number[]>()
  const onHost = new Set<number>()
  for (const [arrival, prompt] of prompts.entries()) {
    const request = requestOf(prompt, arrival)
    const { first } = core.add(request)
    outputs.set(first, [])
    if (!native.needsHostSampling(request.sampling)) continue
    sampler.add(first, 1, request.sampling, request.promptTokenIds)
    onHost.add(first)
  }

  const logits = new Float32Array(NUM_ROWS * info.vocabSize)
  const drawn = new Int32Array(NUM_ROWS)
  for (let batch = core.schedule(); batch !== undefined; batch = core.schedule()) {
    const numTokens = unwrap(await runner.execute(bytes(batch.words), bytes(logits), bytes(drawn)))
    const counts = Int32Array.from(batch.sampleIndex, index => (index < 0 ? 0 : 1))
    const step =
      numTokens < 0 ? await sampler.sample(batch, logits) : { counts, tokenIds: drawn.subarray(0, numTokens) }
    const news = core.update(batch.stepId, step.counts, step.tokenIds)
    let at = 0
    for (const [index, id] of news.sequences.entries()) {
      const end = at + (news.numTokens[index] as number)
      outputs.get(id)?.push(...news.tokenIds.subarray(at, end))
      at = end
      if (news.finishReasons[index] !== 0 && onHost.has(id)) sampler.remove(id)
    }
  }
  core.checkInvariants()
  await runner.close()
  return [...outputs.values()]
}

function bytes(array: Int32Array | Float32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}

function requestOf({ tokenIds, maxTokens, stopTokenIds, sampling }: Prompt, arrival: number): CoreRequest {
  return {
    promptTokenIds: Int32Array.from(tokenIds),
    stopTokenIds: [...stopTokenIds],
    ignoreEos: false,
    priority: 0,
    arrival,
    skipReadingPrefixCache: false,
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
      maxTokens,
      minTokens: 0,
      stopAndEosIds: [...stopTokenIds],
      logitBiasIds: [],
      logitBiases: [],
      badWords: [],
      hasGrammar: false,
      ...sampling,
    },
  }
}
