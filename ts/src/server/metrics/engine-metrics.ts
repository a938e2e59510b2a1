// What Prometheus is told of the engine: vLLM's names, labels and bounds. Fed by the engine's own accounts: its counts when
// somebody asks, its steps and its ended requests as they come.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { SamplingParams } from '../../config/index.js'
import type { Engine, EngineStats, RequestOutput } from '../../engine/index.js'
import type { ToolParse } from '../server-context.js'
import {
  CHOICES,
  ITERATION_TOKENS,
  oneTwoFive,
  REQUEST_SECONDS,
  TIME_PER_TOKEN_SECONDS,
  TIME_TO_FIRST_TOKEN_SECONDS,
} from './buckets.js'
import { TallyHistogram } from './tally-histogram.js'

/** Whose label is on everything: this is the one engine of the server. */
const ENGINE_INDEX = '0'

/** Fields of the engine's counts that are one number. */
type CountName = {
  [Name in keyof EngineStats]: EngineStats[Name] extends number ? Name : never
}[keyof EngineStats]

/** Counts of the engine that only grow, by the names that they have here. */
const grown: readonly (readonly [string, string, CountName])[] = [
  ['num_preemptions_total', 'Cumulative number of preemptions.', 'numPreemptions'],
  ['generation_tokens_total', 'Number of generated tokens.', 'numGeneratedTokens'],
  ['prefix_cache_queries_total', 'Prompt tokens looked up in the prefix cache.', 'prefixCacheQueries'],
  ['prefix_cache_hits_total', 'Prompt tokens found in the prefix cache.', 'prefixCacheHits'],
  ['spec_decode_num_drafts_total', 'Number of times that tokens of a sequence were guessed.', 'numDraftedRows'],
  ['spec_decode_num_draft_tokens_total', 'Number of guessed tokens.', 'numDraftTokens'],
  ['spec_decode_num_accepted_tokens_total', 'Number of guessed tokens that were right.', 'numAcceptedDraftTokens'],
]

/** What vLLM counts and this engine does not have: its dashboards read zeros rather than nothing. */
const absent: readonly (readonly [string, string])[] = [
  ['external_prefix_cache_queries_total', 'Prompt tokens looked up in the prefix caches of other engines: none.'],
  ['external_prefix_cache_hits_total', 'Prompt tokens found there: none.'],
  ['mm_cache_queries_total', 'Images and sounds looked up in a cache of them: none.'],
  ['mm_cache_hits_total', 'Images and sounds found there: none.'],
]

const finishReasons = ['stop', 'length', 'abort', 'error', 'repetition'] as const

export class EngineMetrics {
  readonly registry = new Registry()
  readonly #engine: Engine
  readonly #promptTokens: Counter
  readonly #promptTokensCached: Counter
  readonly #promptTokensBySource: Counter<'source'>
  readonly #success: Counter<string>
  readonly #toolParses: Counter<string>
  readonly #iterationTokens: Histogram
  readonly #timeToFirstToken: Histogram
  readonly #interTokenLatency: TallyHistogram
  readonly #perRequest: PerRequest
  /** Calls for embeddings, scores and rankings that are in the engine now. */
  numPooled = 0

  constructor(engine: Engine, modelName: string) {
    this.#engine = engine
    this.registry.setDefaultLabels(labels({ modelName, engine: ENGINE_INDEX }))
    this.#gauges()
    for (const [name, help, field] of grown) this.#grown(name, help, field)
    this.#acceptedByPosition()
    for (const [name, help] of absent) this.#counter(name, help)
    this.#promptTokens = this.#counter('prompt_tokens_total', 'Number of prompt tokens processed.')
    this.#promptTokensCached = this.#counter('prompt_tokens_cached_total', 'Prompt tokens taken from the prefix cache.')
    this.#promptTokensBySource = this.#counter(
      'prompt_tokens_by_source_total',
      'Number of prompt tokens by where their KV came from.',
      ['source'],
    )
    for (const source of ['local_compute', 'local_cache_hit', 'external_kv_transfer'])
      this.#promptTokensBySource.inc({ source }, 0)
    this.#success = this.#counter('request_success_total', 'Number of requests that ended, by why they did.', [
      FINISHED_REASON,
    ])
    for (const reason of finishReasons) this.#success.inc({ [FINISHED_REASON]: reason }, 0)
    this.#toolParses = this.#counter(
      'tool_call_parser_invocations_total',
      'Number of whole answers, and of pieces of streams, that were looked through for tool calls.',
      Object.keys(parseLabels(PARSES[0])),
    )
    for (const look of PARSES) this.#toolParses.inc(parseLabels(look), 0)
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      new Histogram({ name: `vllm:${name}`, help, buckets: [...buckets], registers: [this.registry] })
    this.#iterationTokens = histogram('iteration_tokens_total', 'Tokens computed in a step.', ITERATION_TOKENS)
    this.#timeToFirstToken = histogram(
      'time_to_first_token_seconds',
      'Time from the arrival of a request to its first token.',
      TIME_TO_FIRST_TOKEN_SECONDS,
    )
    this.#interTokenLatency = new TallyHistogram({
      name: 'vllm:inter_token_latency_seconds',
      help: 'Time between the tokens of a request.',
      buckets: TIME_PER_TOKEN_SECONDS,
    })
    this.registry.registerMetric(this.#interTokenLatency)
    this.#perRequest = perRequest(histogram, engine.maxModelLen)
  }

  /** A step has computed so many tokens. */
  stepped(numScheduledTokens: number): void {
    this.#iterationTokens.observe(numScheduledTokens)
  }

  /** The first token of a request came `seconds` after it. */
  firstToken(seconds: number, numPromptTokens: number): void {
    this.#timeToFirstToken.observe(seconds)
    this.#promptTokens.inc(numPromptTokens)
  }

  /** A further token of a request came `seconds` after the one before. */
  nextToken(seconds: number): void {
    this.#interTokenLatency.tally(seconds)
  }

  /** A request has ended, in whatever way. */
  ended(output: RequestOutput, params: SamplingParams, error: Error | undefined, nowMs: number): void {
    for (const { finishReason } of output.outputs) {
      const reason = finishReason ?? (isAbort(error) ? 'abort' : 'error')
      this.#success.inc({ [FINISHED_REASON]: reason })
    }
    const { arrivalMs, firstScheduledMs, firstTokenMs, lastTokenMs } = output.metrics
    const numPrompt = output.promptTokenIds.length
    const each = this.#perRequest
    each.choices.observe(params.n)
    if (params.maxTokens !== undefined) each.maxTokens.observe(params.maxTokens)
    each.endToEnd.observe(Math.max(0, nowMs - arrivalMs) / 1000)
    if (firstScheduledMs === null || firstTokenMs === null || lastTokenMs === null) return
    const cached = Math.min(output.numCachedTokens, numPrompt)
    this.#promptTokensCached.inc(cached)
    this.#promptTokensBySource.inc({ source: 'local_cache_hit' }, cached)
    this.#promptTokensBySource.inc({ source: 'local_compute' }, numPrompt - cached)
    const lengths = output.outputs.map(({ tokenIds }) => tokenIds.length)
    const numGenerated = lengths.reduce((sum, length) => sum + length, 0)
    const longest = Math.max(...lengths)
    each.promptTokens.observe(numPrompt)
    each.computedTokens.observe(numPrompt - cached)
    each.generationTokens.observe(numGenerated)
    each.longestGeneration.observe(longest)
    each.queue.observe(seconds(arrivalMs, firstScheduledMs))
    each.prefill.observe(seconds(firstScheduledMs, firstTokenMs))
    each.decode.observe(seconds(firstTokenMs, lastTokenMs))
    each.inference.observe(seconds(firstScheduledMs, lastTokenMs))
    if (longest > 1) each.perToken.observe(seconds(firstTokenMs, lastTokenMs) / (longest - 1))
  }

  /** A text was looked through for calls. */
  toolParsed(look: ToolParse): void {
    this.#toolParses.inc(parseLabels(look))
  }

  /** A call is over that generated nothing: `numTokens` of each input, whose requests are counted as vLLM counts them. */
  pooled(numTokens: readonly number[], endToEndSeconds: number): void {
    for (const count of numTokens) {
      this.#success.inc({ [FINISHED_REASON]: 'stop' })
      this.#promptTokens.inc(count)
      this.#promptTokensBySource.inc({ source: 'local_compute' }, count)
      this.#perRequest.promptTokens.observe(count)
      this.#perRequest.endToEnd.observe(Math.max(0, endToEndSeconds))
    }
  }

  /** Such a call of so many inputs has ended before its time. */
  poolingEnded(numInputs: number, reason: 'abort' | 'error'): void {
    this.#success.inc({ [FINISHED_REASON]: reason }, numInputs)
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics()
  }

  #gauges(): void {
    const engine = this.#engine
    const gauge = (name: string, help: string, read: (stats: EngineStats) => number) =>
      new Gauge({
        name: `vllm:${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(read(engine.stats()))
        },
      })
    const running = 'Number of requests that run; calls for embeddings and scores among them.'
    gauge('num_requests_running', running, stats => stats.numRunning + this.numPooled)
    gauge('num_requests_waiting', 'Number of requests that wait.', stats => stats.numWaiting)
    gauge('kv_cache_usage_perc', 'Share of the KV cache in use; 1 is all of it.', usedShare)
    const byReason = new Gauge({
      name: 'vllm:num_requests_waiting_by_reason',
      help: 'Number of requests that wait, by what they wait for.',
      labelNames: ['reason'],
      registers: [this.registry],
      collect() {
        this.set({ reason: 'capacity' }, engine.stats().numWaiting)
        this.set({ reason: 'deferred' }, 0)
      },
    })
    byReason.set({ reason: 'deferred' }, 0)
    const sleepState = new Gauge({
      name: 'vllm:engine_sleep_state',
      help: 'Whether the engine has its weights and its cache: this one is always awake.',
      labelNames: [SLEEP_STATE],
      registers: [this.registry],
    })
    for (const [state, isIt] of sleepStates) sleepState.set({ [SLEEP_STATE]: state }, isIt)
    const { numBlocks, blockSize } = engine.cacheInfo
    const info = labels({ blockSize: String(blockSize), numGpuBlocks: String(numBlocks) })
    new Gauge({
      name: 'vllm:cache_config_info',
      help: 'What the KV cache is made of.',
      labelNames: Object.keys(info),
      registers: [this.registry],
    }).set(info, 1)
  }

  /** A counter whose value the engine keeps. */
  #grown(name: string, help: string, field: CountName): void {
    const engine = this.#engine
    new Counter({
      name: `vllm:${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(engine.stats()[field])
      },
    })
  }

  /** Without speculation there are no positions, and so no samples: as vLLM. */
  #acceptedByPosition(): void {
    const engine = this.#engine
    new Counter({
      name: 'vllm:spec_decode_num_accepted_tokens_per_pos_total',
      help: 'Number of guessed tokens that were right, by their position among the guesses of a step.',
      labelNames: ['position'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [position, count] of engine.stats().numAcceptedDraftTokensByPosition.entries())
          this.inc({ position: String(position) }, count)
      },
    })
  }

  #counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    return new Counter({ name: `vllm:${name}`, help, labelNames, registers: [this.registry] })
  }
}

/** Prometheus' labels are snake_case. */
const FINISHED_REASON = 'finished_reason'
const SLEEP_STATE = 'sleep_state'
const sleepStates = [
  ['awake', 1],
  ['weights_offloaded', 0],
  ['discard_all', 0],
] as const

function labels(fields: Readonly<Record<string, string>>): Record<string, string> {
  const spelled = (name: string) => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [spelled(name), value]))
}

const CHATS = '/v1/chat/completions'
const RESPONSES = '/v1/responses'

/** One of each kind. */
const PARSES: readonly [ToolParse, ...ToolParse[]] = [CHATS, RESPONSES, undefined].flatMap(endpoint =>
  [true, false].flatMap(streaming => [true, false].map(foundCall => ({ endpoint, streaming, foundCall }))),
) as [ToolParse, ...ToolParse[]]

function parseLabels({ endpoint, streaming, foundCall }: ToolParse): Record<string, string> {
  const type = endpoint === CHATS ? 'chat_completions' : endpoint === RESPONSES ? 'responses' : 'other'
  return labels({
    mode: streaming ? 'streaming' : 'non_streaming',
    outcome: foundCall ? 'tool_call' : 'no_tool_call',
    requestType: type,
  })
}

/** Share of the blocks that sequences hold. */
export function usedShare({ numFreeBlocks, numUsableBlocks }: EngineStats): number {
  return numUsableBlocks === 0 ? 0 : 1 - numFreeBlocks / numUsableBlocks
}

type MakeHistogram = (name: string, help: string, buckets: readonly number[]) => Histogram
type PerRequest = ReturnType<typeof perRequest>

function perRequest(make: MakeHistogram, maxModelLen: number) {
  const tokens = oneTwoFive(maxModelLen)
  return {
    perToken: make(
      'request_time_per_output_token_seconds',
      'Time per token after the first, of a request.',
      TIME_PER_TOKEN_SECONDS,
    ),
    endToEnd: make('e2e_request_latency_seconds', 'Time from arrival to the end.', REQUEST_SECONDS),
    queue: make('request_queue_time_seconds', 'Time from arrival to the first step.', REQUEST_SECONDS),
    prefill: make('request_prefill_time_seconds', 'Time from the first step to the first token.', REQUEST_SECONDS),
    decode: make('request_decode_time_seconds', 'Time from the first token to the last.', REQUEST_SECONDS),
    inference: make('request_inference_time_seconds', 'Time from the first step to the last token.', REQUEST_SECONDS),
    promptTokens: make('request_prompt_tokens', 'Prompt tokens of a request.', tokens),
    computedTokens: make(
      'request_prefill_kv_computed_tokens',
      'Prompt tokens of a request that were computed.',
      tokens,
    ),
    generationTokens: make('request_generation_tokens', 'Generated tokens of a request.', tokens),
    longestGeneration: make(
      'request_max_num_generation_tokens',
      'Generated tokens of the longest choice of a request.',
      tokens,
    ),
    choices: make('request_params_n', 'Choices that a request asked for.', CHOICES),
    maxTokens: make('request_params_max_tokens', 'Tokens that a request asked for at most.', tokens),
  }
}

function seconds(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1000
}

export function isAbort(error: Error | undefined): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return code === 'ERR_ABORTED' || code === 'ERR_CLOSED'
}
