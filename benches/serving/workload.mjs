// What is asked of every server: streams of 128 tokens after prompts of 32, greedy, and never the same prompt twice.

import { DATASET_DEFAULTS, parseTarget, sampleDataset, serveBench } from '../../ts/dist/bench/index.js'

export const PROMPT_TOKENS = 32
export const OUTPUT_TOKENS = 128

/** Requests of one measurement: eight for each stream, enough for a p99, few enough for an afternoon. */
export function requestsFor(streams) {
  return Math.min(Math.max(streams * 8, 24), 1024)
}

export function dataset(numPrompts, seed) {
  const random = { inputLen: PROMPT_TOKENS, outputLen: OUTPUT_TOKENS, rangeRatio: 0, prefixLen: 0 }
  return { ...DATASET_DEFAULTS, random, numPrompts, seed }
}

export function samplesOf(tokenizer, numPrompts, seed) {
  return sampleDataset(dataset(numPrompts, seed), tokenizer)
}

const silent = { say() {}, warn: line => console.error(line), begin() {}, record() {}, end() {} }

/** One level of concurrency, by `bench serve`'s own code. */
export async function measureServer(url, { streams, tokenizer, seed, model, numPrompts = requestsFor(streams) }) {
  const options = {
    backend: 'openai',
    target: parseTarget({ baseUrl: url.replace(/\/+$/, '') }),
    endpoint: '/v1/completions',
    ...(model !== undefined && { model }),
    tokenizer,
    dataset: dataset(numPrompts, seed),
    headers: {},
    requestIdPrefix: `serving-${seed}-`,
    sampling: { temperature: 0 },
    extraBody: {},
    ignoreEos: true,
    traffic: { requestRate: Number.POSITIVE_INFINITY, burstiness: 1 },
    concurrencies: [streams],
    numWarmups: Math.min(streams, 8),
    readyCheckTimeoutS: 120,
    metrics: ['ttft', 'tpot', 'itl', 'e2el'],
    percentiles: [50, 99],
    keepText: false,
  }
  for await (const { metrics, connections } of serveBench(options, silent)) {
    const { ttft, itl } = metrics.summaries
    return {
      tokens_per_second: Math.round(metrics.outputThroughput),
      ttft_p50_ms: rounded(ttft.percentiles.get(50)),
      ttft_p99_ms: rounded(ttft.percentiles.get(99)),
      itl_p50_ms: rounded(itl.percentiles.get(50)),
      itl_p99_ms: rounded(itl.percentiles.get(99)),
      completed: metrics.completed,
      failed: metrics.failed,
      connections_reset: connections.resets,
    }
  }
}

export function rounded(value) {
  return Math.round(value * 100) / 100
}
