// `bench serve`: puts a load on any OpenAI server and measures what its clients see.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bundledModelDirectory } from '../../config/bundled-model.js'
import { InvalidArgumentError } from '../../errors.js'
import { type DatasetOptions, sampleDataset } from '../datasets/dataset.js'
import type { SampleRequest } from '../datasets/sample-request.js'
import { type ConnectionCounts, ConnectionPool } from '../http/connection-pool.js'
import { requestBytes } from '../http/request-head.js'
import { chatBody, completionBody, samplingBody } from '../openai-wire.js'
import { countTokens, loadPromptTokenizer, type PromptTokenizer } from '../prompt-tokenizer.js'
import { RandomSource } from '../random-source.js'
import { arrivalTimes, checkTraffic } from './arrivals.js'
import { generateLoad, type Load, type LoadRequest } from './load-generator.js'
import type { RequestRecord } from './request-record.js'
import type { ServeOptions } from './serve-options.js'
import { firstModel, waitUntilReady } from './server-questions.js'
import { type ServingMetrics, servingMetrics } from './serving-metrics.js'

/** Where a measurement tells how it gets on. */
export interface ServeListener {
  /** One line, without its line break. */
  say(line: string): void
  warn(line: string): void
  /** `count` requests begin. */
  begin(count: number): void
  record(record: RequestRecord): void
  end(): void
}

/** One level of concurrency, measured. */
export interface Measurement {
  readonly maxConcurrency: number | undefined
  readonly load: Load
  readonly metrics: ServingMetrics
  readonly connections: ConnectionCounts
  readonly modelId: string
  readonly tokenizerId: string
  readonly numPrompts: number
}

/**
 * Measures each level in turn, and yields it as soon as it is done.
 * @throws InvalidArgumentError, ServerError if the server does not answer, the signal's reason.
 */
export async function* serveBench(
  options: ServeOptions,
  listener: ServeListener,
  signal?: AbortSignal,
): AsyncGenerator<Measurement, void, undefined> {
  checkTraffic(options.traffic)
  const { target, dataset, concurrencies, keepText } = options
  const questions = new ConnectionPool(target)
  try {
    const { model, root } = await modelOf(options, questions, listener)
    const tokenizer = await tokenizerOf([options.tokenizer, options.model, root], listener)
    const samples = await sampleDataset(datasetFor(options), tokenizer)
    const requests = samples.map((sample, index) => loadRequest(options, model, sample, index))
    await prepare(options, questions, requests, listener, signal)
    for (const maxConcurrency of concurrencies.length === 0 ? [undefined] : concurrencies) {
      tellTraffic(options, maxConcurrency, listener)
      const pool = new ConnectionPool(target)
      listener.begin(requests.length)
      try {
        const load = await generateLoad(pool, {
          requests,
          arrivals: arrivalTimes(requests.length, options.traffic, new RandomSource(dataset.seed)),
          ...(maxConcurrency !== undefined && { maxConcurrency }),
          keepText,
          onRecord: record => listener.record(record),
          ...(signal !== undefined && { signal }),
        })
        listener.end()
        tellFailures(load, listener)
        const metrics = servingMetrics(load, await outputLengths(load, tokenizer), options)
        const numPrompts = requests.length
        const tokenizerId = tokenizer.id
        yield { maxConcurrency, load, metrics, connections: pool.counts, modelId: model, tokenizerId, numPrompts }
      } finally {
        pool.close()
      }
    }
  } finally {
    questions.close()
  }
}

/** The whole request, as bytes. */
function loadRequest(
  options: ServeOptions,
  model: string,
  { prompt, promptTokens, outputTokens }: SampleRequest,
  index: number,
): LoadRequest {
  const { backend, target, endpoint, headers, requestIdPrefix, sampling, extraBody, ignoreEos, logprobs } = options
  const ask = {
    model,
    maxTokens: outputTokens,
    ignoreEos,
    ...(logprobs !== undefined && { logprobs }),
    extraBody: { ...samplingBody(sampling), ...extraBody },
  }
  const body =
    backend === 'openai-chat' ? chatBody([{ role: 'user', content: prompt }], ask) : completionBody(prompt, ask)
  const allHeaders = { ...headers, 'X-Request-Id': `${requestIdPrefix}${index}` }
  return { bytes: requestBytes(target, 'POST', endpoint, allHeaders, body), promptTokens }
}

/** Prompts of a chat are not rendered here: the server does it. */
function datasetFor({ backend, dataset }: ServeOptions): DatasetOptions {
  return backend === 'openai-chat' ? { ...dataset, applyChatTemplate: false } : dataset
}

async function modelOf(
  { model, target, headers }: ServeOptions,
  pool: ConnectionPool,
  listener: ServeListener,
): Promise<{ model: string; root: string | undefined }> {
  if (model !== undefined) return { model, root: undefined }
  listener.say('Model not specified, fetching first model from server...')
  const { id, root } = await firstModel(pool, target, headers)
  listener.say(`First model name: ${id}`)
  return { model: id, root }
}

/** The first that is given must be right; of those that are guessed, the first that is a directory with a tokenizer. */
async function tokenizerOf(
  [asked, ...guesses]: readonly (string | undefined)[],
  listener: ServeListener,
): Promise<PromptTokenizer> {
  if (asked !== undefined) return loadPromptTokenizer(asked)
  const found = guesses.find(guess => guess !== undefined && existsSync(join(guess, 'tokenizer.json')))
  if (found === undefined) {
    listener.warn(
      "The model's tokenizer is not known (--tokenizer DIR names it): prompts are made with that of the bundled model, " +
        'and tokens are counted by the server.',
    )
  }
  return loadPromptTokenizer(found ?? bundledModelDirectory())
}

async function prepare(
  { readyCheckTimeoutS, numWarmups, concurrencies, keepText }: ServeOptions,
  pool: ConnectionPool,
  requests: readonly LoadRequest[],
  listener: ServeListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [first] = requests
  if (first === undefined) throw new InvalidArgumentError('dataset', 'The data set gives no request.')
  if (readyCheckTimeoutS > 0) {
    listener.say('Starting initial single prompt test run...')
    await waitUntilReady(pool, first, readyCheckTimeoutS, signal)
    listener.say('Initial test run completed.')
  } else listener.say('Skipping endpoint ready check.')
  if (numWarmups > 0) {
    listener.say(`Warming up with ${numWarmups} requests...`)
    const [maxConcurrency] = concurrencies
    await generateLoad(pool, {
      requests: Array.from({ length: numWarmups }, () => first),
      arrivals: new Float64Array(numWarmups),
      ...(maxConcurrency !== undefined && { maxConcurrency }),
      keepText,
      ...(signal !== undefined && { signal }),
    })
    listener.say('Warmup run completed.')
  }
}

function tellTraffic({ traffic }: ServeOptions, maxConcurrency: number | undefined, listener: ServeListener): void {
  const { requestRate, burstiness, rampUp } = traffic
  const infinite = (value: number): string => (Number.isFinite(value) ? String(value) : 'inf')
  listener.say('Starting main benchmark run...')
  if (rampUp === undefined) listener.say(`Traffic request rate: ${infinite(requestRate)}`)
  else {
    listener.say(`Traffic ramp-up strategy: ${rampUp.strategy}.`)
    listener.say(
      `Will increase RPS from ${rampUp.startRps} to ${rampUp.endRps} RPS over the duration of the benchmark.`,
    )
  }
  const distribution = burstiness === 1 ? 'Poisson process' : 'Gamma distribution'
  listener.say(`Burstiness factor: ${infinite(burstiness)} (${distribution})`)
  listener.say(`Maximum request concurrency: ${maxConcurrency ?? 'None'}`)
}

const MOST_FAILURES_TOLD = 10

function tellFailures({ records }: Load, listener: ServeListener): void {
  const failures = records.filter(({ error }) => error !== undefined)
  if (failures.length === 0) return
  listener.warn('Failed requests during benchmark run detected (capping to 10):')
  for (const [index, { error }] of failures.slice(0, MOST_FAILURES_TOLD).entries()) {
    listener.warn(`Error ${index}: ${error}`)
  }
}

/** As the server counts; where it does not, by the tokenizer. */
async function outputLengths({ records }: Load, tokenizer: PromptTokenizer): Promise<readonly number[]> {
  const uncounted = records.filter(({ outputTokens, error }) => outputTokens === undefined && error === undefined)
  const counts = await countTokens(
    tokenizer,
    uncounted.map(({ text }) => text),
    false,
  )
  const counted = new Map(uncounted.map((record, index) => [record, counts[index] as number]))
  return records.map(record => record.outputTokens ?? counted.get(record) ?? 0)
}
