// `bench latency`: how long one batch takes from its prompts to its last token, in this process.

import type { SamplingOptions } from '../../config/index.js'
import type { CreateOptions } from '../../engine/index.js'
import { InvalidArgumentError } from '../../errors.js'
import { LLM } from '../../node-llm.js'
import { RandomSource } from '../random-source.js'
import { type Summary, summarize } from '../serving/statistics.js'
import { type MachineShare, measureMachineShare } from './machine-share.js'

export interface LatencyOptions {
  readonly engine: CreateOptions
  readonly inputLen: number
  readonly outputLen: number
  readonly batchSize: number
  /** Continuations of each prompt. */
  readonly n: number
  readonly numItersWarmup: number
  readonly numIters: number
  readonly disableDetokenize: boolean
  readonly seed: number
}

export interface LatencyResult {
  /** Seconds of each iteration. */
  readonly latencies: readonly number[]
  /** Seconds. */
  readonly summary: Summary
  /** Of one stream; absent where it can't be told. */
  readonly machineShare?: MachineShare
}

export const LATENCY_PERCENTS = [10, 25, 50, 75, 90, 99] as const

/** Ids of prompts are below this, as vLLM's. */
const MOST_ID = 10_000

/** @throws what LLM.create and generate throw. */
export async function latencyBench(
  options: LatencyOptions,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<LatencyResult> {
  const { inputLen, outputLen, batchSize, n, numItersWarmup, numIters, disableDetokenize } = options
  await using llm = await LLM.create({ enablePrefixCaching: false, ...options.engine, ...(signal && { signal }) })
  const length = modelLength(options.engine, llm)
  checkLengths(inputLen, outputLen, length)
  const random = new RandomSource(options.seed)
  const most = Math.min(MOST_ID, llm.modelInfo.vocabSize) - 1
  const prompts = Array.from({ length: batchSize }, () => {
    return Array.from({ length: inputLen }, () => random.integer(0, most))
  })
  const params: SamplingOptions = {
    n,
    temperature: 1,
    topP: 1,
    ignoreEos: true,
    maxTokens: outputLen,
    detokenize: !disableDetokenize,
  }
  const iteration = async (): Promise<number> => {
    const startMs = performance.now()
    await llm.generate(prompts, params, { progress: false, ...(signal && { signal }) })
    return (performance.now() - startMs) / 1000
  }
  say('Warming up...')
  for (let round = 0; round < numItersWarmup; round += 1) await iteration()
  const latencies: number[] = []
  for (let round = 0; round < numIters; round += 1) latencies.push(await iteration())
  const machineShare = await shareOf(llm, options.engine, length, signal)
  return { latencies, summary: summarize(latencies, LATENCY_PERCENTS), ...(machineShare && { machineShare }) }
}

/** Undefined with drafts too: then a step is not a token. */
export async function shareOf(
  llm: LLM,
  { speculativeConfig }: CreateOptions,
  maxTokens: number,
  signal: AbortSignal | undefined,
): Promise<MachineShare | undefined> {
  return speculativeConfig === undefined ? await measureMachineShare(llm, maxTokens, signal) : undefined
}

/** Tokens that a sequence may have. */
export function modelLength({ maxModelLen = Number.POSITIVE_INFINITY }: CreateOptions, { modelInfo }: LLM): number {
  return Math.min(maxModelLen, modelInfo.maxPositionEmbeddings)
}

/** @throws InvalidArgumentError. */
export function checkLengths(inputLen: number, outputLen: number, maxModelLen: number): void {
  if (inputLen + outputLen <= maxModelLen) return
  throw new InvalidArgumentError(
    'inputLen',
    `${inputLen} tokens of prompt and ${outputLen} of output are more than the model's length of ${maxModelLen}.`,
    inputLen,
  )
}
