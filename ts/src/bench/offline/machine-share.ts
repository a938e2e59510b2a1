// How near one stream comes to what this machine can do: decoding beside the rate at which memory is read, a prompt beside the rate
// of multiplications. Both limits are measured around the runs.

import { SamplingParams } from '../../config/index.js'
import type { LLM } from '../../node-llm.js'
import { type KernelMeasurement, loadEmbeddedTools } from '../../plugin/embedded-tools.js'
import type { Operations, ProductWork } from '../../plugin/model-runner.js'
import { RandomSource } from '../random-source.js'

/** What one stream reached. Rates are for a second; a share of 1 is all that the machine can do. */
export interface MachineShare {
  readonly promptTokens: number
  readonly promptTokensPerS: number
  /** The time that the prompt's products take at the rates of their types, of the time until the first token. */
  readonly promptShare: number
  readonly decodeTokensPerS: number
  /** Bytes of weights that tokens are multiplied with, of those that memory gives. */
  readonly decodeShare: number
  readonly work: ProductWork
  readonly limits: Limits
}

type Limits = Omit<KernelMeasurement, 'formats'>

/** As `quire info --kernels`: a chunk of a prompt. */
const PROMPT_TOKENS = 512
/** The first belongs to the prompt. */
const OUTPUT_TOKENS = 33
/** The best of them counts: others on the machine take away and never add. */
const ROUNDS = 3
/** Ids of prompts are below this, as those of the benches. */
const MOST_ID = 10_000

/**
 * Runs one stream some times; `maxTokens` is what a sequence may have. Undefined where the runner doesn't say what its products
 * are, or a sequence has no room for it.
 * @throws what LLM.stream throws.
 */
export async function measureMachineShare(
  llm: LLM,
  maxTokens: number,
  signal?: AbortSignal,
): Promise<MachineShare | undefined> {
  const { productWork: work, vocabSize } = llm.modelInfo
  const promptTokens = Math.min(PROMPT_TOKENS, Math.min(maxTokens, llm.cacheInfo.numTokens) - OUTPUT_TOKENS)
  if (work === undefined || promptTokens < 1) return undefined
  const tools = await loadEmbeddedTools()
  const measured = (): Promise<Limits> =>
    tools.measureKernels({ threads: work.threads, kernels: work.kernels, formats: [] })
  const random = new RandomSource(0)
  let limits = await measured()
  let [promptS, decodeTokensPerS] = [Number.POSITIVE_INFINITY, 0]
  for (let round = 0; round < ROUNDS; round += 1) {
    const prompt = Array.from({ length: promptTokens }, () => random.integer(0, Math.min(MOST_ID, vocabSize) - 1))
    const stream = await oneStream(llm, prompt, signal)
    promptS = Math.min(promptS, stream.promptS)
    decodeTokensPerS = Math.max(decodeTokensPerS, stream.decodeTokensPerS)
    limits = better(limits, await measured())
  }
  return {
    promptTokens,
    promptTokensPerS: promptTokens / promptS,
    promptShare: leastSeconds(work, promptTokens, limits) / promptS,
    decodeTokensPerS,
    decodeShare: (work.weightBytes * decodeTokensPerS) / limits.readBytes,
    work,
    limits,
  }
}

async function oneStream(
  llm: LLM,
  prompt: readonly number[],
  signal: AbortSignal | undefined,
): Promise<{ readonly promptS: number; readonly decodeTokensPerS: number }> {
  const params = new SamplingParams({
    temperature: 0,
    ignoreEos: true,
    maxTokens: OUTPUT_TOKENS,
    detokenize: false,
  })
  const startMs = performance.now()
  let [firstMs, lastMs, decoded] = [0, 0, 0]
  for await (const { outputs } of llm.stream(prompt, params, { ...(signal && { signal }) })) {
    const numTokens = outputs.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0)
    if (numTokens === 0) continue
    lastMs = performance.now()
    if (firstMs === 0) firstMs = lastMs
    else decoded += numTokens
  }
  return { promptS: (firstMs - startMs) / 1000, decodeTokensPerS: (1000 * decoded) / (lastMs - firstMs) }
}

/** The time that products take at the limits: of all tokens, and of one row of logits. */
function leastSeconds({ tokenOperations, logitsOperations }: ProductWork, numTokens: number, limits: Limits): number {
  const rates: Operations = {
    float32: limits.float32Operations,
    bfloat16: limits.bfloat16Operations,
    int8: limits.int8Operations,
  }
  const types = ['float32', 'bfloat16', 'int8'] as const
  return types.reduce(
    (sum, type) => sum + (numTokens * tokenOperations[type] + logitsOperations[type]) / rates[type],
    0,
  )
}

function better(one: Limits, other: Limits): Limits {
  return {
    kernels: one.kernels,
    readBytes: Math.max(one.readBytes, other.readBytes),
    float32Operations: Math.max(one.float32Operations, other.float32Operations),
    bfloat16Operations: Math.max(one.bfloat16Operations, other.bfloat16Operations),
    int8Operations: Math.max(one.int8Operations, other.int8Operations),
  }
}
