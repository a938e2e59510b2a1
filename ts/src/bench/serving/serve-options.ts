// What a measurement of a server is asked to do.

import type { DatasetOptions } from '../datasets/dataset.js'
import type { RequestHeaders } from '../http/request-head.js'
import type { Target } from '../http/target.js'
import type { WireSampling } from '../openai-wire.js'
import type { Traffic } from './arrivals.js'
import type { Goodput, MetricName } from './serving-metrics.js'

export const SERVE_BACKENDS = ['openai', 'openai-chat', 'vllm'] as const
/** Which of OpenAI's endpoints is spoken to; `vllm` is another word for `openai`. */
export type ServeBackend = (typeof SERVE_BACKENDS)[number]

export interface ServeOptions {
  readonly backend: ServeBackend
  readonly target: Target
  /** The path of the requests. */
  readonly endpoint: string
  /** The name in requests. Default: the first model that the server lists. */
  readonly model?: string
  /** Directory of the tokenizer that prompts are measured with. Default: the model's, where it is a directory. */
  readonly tokenizer?: string
  readonly dataset: DatasetOptions
  readonly headers: RequestHeaders
  /** Begins the `X-Request-Id` of every request. */
  readonly requestIdPrefix: string
  readonly sampling: WireSampling
  readonly extraBody: Readonly<Record<string, unknown>>
  readonly ignoreEos: boolean
  readonly logprobs?: number
  readonly traffic: Traffic
  /** Requests under way at once: one measurement for each level, or one without a limit. */
  readonly concurrencies: readonly number[]
  readonly numWarmups: number
  /** 0: the server is taken to be ready. */
  readonly readyCheckTimeoutS: number
  readonly metrics: readonly MetricName[]
  readonly percentiles: readonly number[]
  readonly goodput?: Goodput
  /** Keep the texts of answers. */
  readonly keepText: boolean
}
