// `bench throughput`: how many tokens a second come out when all requests are there from the start, in this process.

import { SamplingParams } from '../../config/index.js'
import type { CreateOptions } from '../../engine/index.js'
import { ChatTemplateError } from '../../errors.js'
import { LLM } from '../../node-llm.js'
import { type DatasetOptions, sampleDataset } from '../datasets/dataset.js'
import type { SampleRequest } from '../datasets/sample-request.js'
import type { PromptTokenizer } from '../prompt-tokenizer.js'
import { checkLengths, modelLength, shareOf } from './latency-bench.js'
import type { MachineShare } from './machine-share.js'

export interface ThroughputOptions {
  readonly engine: CreateOptions
  readonly dataset: DatasetOptions
  /** Continuations of each prompt. */
  readonly n: number
  readonly numWarmups: number
  /** Stream every request, rather than wait for the batch. */
  readonly asyncEngine: boolean
  readonly disableDetokenize: boolean
}

export interface ThroughputResult {
  readonly elapsedS: number
  readonly numRequests: number
  readonly promptTokens: number
  readonly outputTokens: number
  /** Of one stream; absent where it can't be told. */
  readonly machineShare?: MachineShare
}

/** @throws what LLM.create and generate throw, InvalidArgumentError if the data set does not fit the model. */
export async function throughputBench(
  { engine, dataset, n, numWarmups, asyncEngine, disableDetokenize }: ThroughputOptions,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<ThroughputResult> {
  await using llm = await LLM.create({ ...engine, ...(signal && { signal }) })
  const samples = await sampleDataset(dataset, await tokenizerOf(llm))
  const length = modelLength(engine, llm)
  for (const { promptTokens, outputTokens } of samples) checkLengths(promptTokens, outputTokens, length)
  const paramsOf = ({ outputTokens }: SampleRequest): SamplingParams =>
    new SamplingParams({
      n,
      temperature: 1,
      topP: 1,
      ignoreEos: true,
      maxTokens: outputTokens,
      detokenize: !disableDetokenize,
    })
  const run = asyncEngine ? streamAll : generateAll
  if (numWarmups > 0) {
    say(`Warming up with ${numWarmups} requests...`)
    await run(llm, samples.slice(0, numWarmups), paramsOf, false, signal)
  }
  const startMs = performance.now()
  const totals = await run(llm, samples, paramsOf, true, signal)
  const elapsedS = (performance.now() - startMs) / 1000
  const machineShare = await shareOf(llm, engine, length, signal)
  return { elapsedS, numRequests: samples.length, ...totals, ...(machineShare && { machineShare }) }
}

type Totals = Pick<ThroughputResult, 'promptTokens' | 'outputTokens'>
type ParamsOf = (sample: SampleRequest) => SamplingParams

async function generateAll(
  llm: LLM,
  samples: readonly SampleRequest[],
  paramsOf: ParamsOf,
  progress: boolean,
  signal: AbortSignal | undefined,
): Promise<Totals> {
  const outputs = await llm.generate(
    samples.map(({ prompt }) => prompt),
    samples.map(paramsOf),
    { progress, ...(signal && { signal }) },
  )
  const count = (lengths: readonly number[]): number => lengths.reduce((sum, length) => sum + length, 0)
  return {
    promptTokens: count(outputs.map(({ promptTokenIds }) => promptTokenIds.length)),
    outputTokens: count(outputs.flatMap(({ outputs: ones }) => ones.map(({ tokenIds }) => tokenIds.length))),
  }
}

async function streamAll(
  llm: LLM,
  samples: readonly SampleRequest[],
  paramsOf: ParamsOf,
  _progress: boolean,
  signal: AbortSignal | undefined,
): Promise<Totals> {
  const totals = { promptTokens: 0, outputTokens: 0 }
  await Promise.all(
    samples.map(async sample => {
      let promptTokens = 0
      for await (const delta of llm.stream(sample.prompt, paramsOf(sample), { ...(signal && { signal }) })) {
        promptTokens = delta.promptTokenIds.length
        for (const { tokenIds } of delta.outputs) totals.outputTokens += tokenIds.length
      }
      totals.promptTokens += promptTokens
    }),
  )
  return totals
}

/** The tokenizer that the model came with. */
async function tokenizerOf(llm: LLM): Promise<PromptTokenizer> {
  const [bare, surrounded] = [await llm.tokenize('a', false), await llm.tokenize('a', true)]
  return {
    id: '',
    vocabSize: llm.modelInfo.vocabSize,
    numSpecialTokens: surrounded.length - bare.length,
    encode: (texts, addSpecialTokens) => Promise.all(texts.map(text => llm.tokenize(text, addSpecialTokens))),
    decode: (ids, skipSpecialTokens) => llm.detokenize(Array.from(ids), skipSpecialTokens),
    renderUser: content => {
      try {
        return llm.applyChatTemplate([{ role: 'user', content }])
      } catch (error) {
        if (error instanceof ChatTemplateError) return undefined
        throw error
      }
    },
  }
}
