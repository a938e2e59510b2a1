// A measured load as the JSON object that vLLM's bench writes: the same keys, so that what reads those files reads ours.

import type { ConnectionCounts } from '../http/connection-pool.js'
import type { Load } from './load-generator.js'
import { queueTime, type ServingMetrics } from './serving-metrics.js'
import { percentWord, printed, type ReportOptions } from './serving-report.js'

export interface ResultContext extends ReportOptions {
  readonly date: Date
  readonly backend: string
  readonly label: string | undefined
  readonly modelId: string
  readonly tokenizerId: string | undefined
  readonly numPrompts: number
  readonly burstiness: number
  readonly rampUp: { readonly strategy: string; readonly startRps: number; readonly endRps: number } | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly connections: ConnectionCounts
}

export type ResultJson = Readonly<Record<string, unknown>>

/** Everything, with the lists of each request. Times of the lists are in seconds, as theirs. */
export function resultJson(load: Load, metrics: ServingMetrics, context: ResultContext): ResultJson {
  const { records } = load
  const { rampUp, requestRate } = context
  const seconds = (milliseconds: number): number => milliseconds / 1000
  return {
    date: stamp(context.date),
    endpoint_type: context.backend,
    backend: context.backend,
    label: context.label ?? null,
    model_id: context.modelId,
    tokenizer_id: context.tokenizerId ?? null,
    num_prompts: context.numPrompts,
    ...context.metadata,
    request_rate: Number.isFinite(requestRate) ? requestRate : 'inf',
    burstiness: Number.isFinite(context.burstiness) ? context.burstiness : 'inf',
    max_concurrency: context.maxConcurrency ?? null,
    ...(rampUp !== undefined && {
      ramp_up_strategy: rampUp.strategy,
      ramp_up_start_rps: rampUp.startRps,
      ramp_up_end_rps: rampUp.endRps,
    }),
    duration: metrics.durationS,
    completed: metrics.completed,
    failed: metrics.failed,
    total_input_tokens: metrics.totalInputTokens,
    total_output_tokens: metrics.totalOutputTokens,
    request_throughput: metrics.requestThroughput,
    request_goodput: metrics.requestGoodput ?? null,
    output_throughput: metrics.outputThroughput,
    total_token_throughput: metrics.totalThroughput,
    max_output_tokens_per_s: metrics.peakOutputThroughput,
    max_concurrent_requests: metrics.peakConcurrency,
    connections_opened: context.connections.opened,
    connections_reset: context.connections.resets,
    ...summaries(metrics, context),
    input_lens: records.map(({ promptTokens }) => promptTokens),
    output_lens: metrics.outputLengths,
    ttfts: records.map(({ ttftMs }) => seconds(ttftMs ?? 0)),
    itls: records.map(({ itlsMs }) => itlsMs.map(seconds)),
    latencies: records.map(({ latencyMs }) => seconds(latencyMs)),
    start_times: records.map(({ startMs }) => seconds(startMs)),
    queue_times: records.map(record => seconds(queueTime(record))),
    generated_texts: records.map(({ text }) => text),
    errors: records.map(({ error }) => error ?? ''),
  }
}

function summaries(metrics: ServingMetrics, context: ResultContext): Record<string, number> {
  return Object.fromEntries(
    printed(context).flatMap(({ name }) => {
      const { mean, median, std, percentiles } = metrics.summaries[name]
      return [
        [`mean_${name}_ms`, mean],
        [`median_${name}_ms`, median],
        [`std_${name}_ms`, std],
        ...[...percentiles].map(([percent, value]): [string, number] => [`p${percentWord(percent)}_${name}_ms`, value]),
      ]
    }),
  )
}

const DETAILS = ['input_lens', 'output_lens', 'start_times', 'ttfts', 'itls', 'generated_texts', 'errors']

/** The same without what vLLM only saves if asked for details. */
export function withoutDetails(result: ResultJson): ResultJson {
  return Object.fromEntries(Object.entries(result).filter(([key]) => !DETAILS.includes(key)))
}

/** `20260131-235959`, in local time. */
export function stamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`
  return `${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`
}
