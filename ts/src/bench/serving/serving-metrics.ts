// Figures of a load, defined as vLLM's bench defines them, so that both can be compared.

import type { Load } from './load-generator.js'
import type { RequestRecord } from './request-record.js'
import { type Summary, summarize } from './statistics.js'

/** What percentiles are taken of. */
export type MetricName = 'ttft' | 'tpot' | 'itl' | 'e2el' | 'client_queue_time' | 'e2el_including_client_queue'

/** Milliseconds that a request may take to be a good one. */
export type Goodput = Readonly<Partial<Record<'ttft' | 'tpot' | 'e2el', number>>>

export interface MetricOptions {
  readonly percentiles: readonly number[]
  readonly goodput?: Goodput
}

export interface ServingMetrics {
  readonly completed: number
  readonly failed: number
  readonly durationS: number
  readonly totalInputTokens: number
  readonly totalOutputTokens: number
  /** Per second. */
  readonly requestThroughput: number
  readonly requestGoodput: number | undefined
  readonly outputThroughput: number
  readonly totalThroughput: number
  /** Most output tokens of one second, counted from the first request. */
  readonly peakOutputThroughput: number
  readonly peakConcurrency: number
  /** Per request, 0 for one that failed. */
  readonly outputLengths: readonly number[]
  /** Milliseconds. */
  readonly summaries: Readonly<Record<MetricName, Summary>>
}

/** `outputLengths`: tokens of each record's answer, wherever the number is from. */
export function servingMetrics(load: Load, outputLengths: readonly number[], options: MetricOptions): ServingMetrics {
  const { records, durationMs } = load
  const good = records.flatMap((record, index) =>
    record.error === undefined ? [{ record, tokens: outputLengths[index] ?? 0 }] : [],
  )
  const seconds = Math.max(durationMs, 1e-6) / 1000
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const totalInputTokens = sum(good.map(({ record }) => record.promptTokens))
  const totalOutputTokens = sum(good.map(({ tokens }) => tokens))
  const values: Record<MetricName, readonly number[]> = {
    ttft: good.map(({ record }) => record.ttftMs ?? 0),
    tpot: good.filter(({ tokens }) => tokens > 1).map(({ record, tokens }) => timePerToken(record, tokens)),
    itl: good.flatMap(({ record }) => record.itlsMs),
    e2el: good.map(({ record }) => record.latencyMs),
    client_queue_time: good.map(({ record }) => queueTime(record)),
    e2el_including_client_queue: good.map(({ record }) => record.latencyMs + queueTime(record)),
  }
  const { percentiles, goodput } = options
  return {
    completed: good.length,
    failed: records.length - good.length,
    durationS: durationMs / 1000,
    totalInputTokens,
    totalOutputTokens,
    requestThroughput: good.length / seconds,
    requestGoodput: goodput && good.filter(({ record, tokens }) => isGood(record, tokens, goodput)).length / seconds,
    outputThroughput: totalOutputTokens / seconds,
    totalThroughput: (totalInputTokens + totalOutputTokens) / seconds,
    peakOutputThroughput: peakOutputThroughput(good),
    peakConcurrency: peakConcurrency(good.map(({ record }) => record)),
    outputLengths: records.map((record, index) => (record.error === undefined ? (outputLengths[index] ?? 0) : 0)),
    summaries: Object.fromEntries(
      Object.entries(values).map(([name, list]) => [name, summarize(list, percentiles)]),
    ) as Record<MetricName, Summary>,
  }
}

export function queueTime({ arrivalMs, startMs }: RequestRecord): number {
  return Math.max(startMs - arrivalMs, 0)
}

/** After the first token; 0 if there is only that. */
function timePerToken({ latencyMs, ttftMs = 0 }: RequestRecord, tokens: number): number {
  return tokens > 1 ? (latencyMs - ttftMs) / (tokens - 1) : 0
}

function isGood(record: RequestRecord, tokens: number, goodput: Goodput): boolean {
  const { ttft = Infinity, tpot = Infinity, e2el = Infinity } = goodput
  return (record.ttftMs ?? 0) <= ttft && timePerToken(record, tokens) <= tpot && record.latencyMs <= e2el
}

interface Measured {
  readonly record: RequestRecord
  readonly tokens: number
}

/** An event that carries several tokens counts as many. */
function peakOutputThroughput(measured: readonly Measured[]): number {
  if (measured.length === 0) return 0
  const start = earliest(measured.map(({ record }) => record))
  const seconds: number[] = []
  for (const { record, tokens } of measured) {
    const share = tokens / (record.itlsMs.length + 1)
    let at = record.startMs + (record.ttftMs ?? 0) - start
    for (let event = 0; event <= record.itlsMs.length; event += 1) {
      const second = Math.floor(at / 1000)
      seconds[second] = (seconds[second] ?? 0) + share
      at += record.itlsMs[event] ?? 0
    }
  }
  return seconds.reduce((most, value) => Math.max(most, value ?? 0), 0)
}

function peakConcurrency(records: readonly RequestRecord[]): number {
  const changes = records.flatMap(({ startMs, latencyMs }) => [
    { at: startMs, change: 1 },
    { at: startMs + latencyMs, change: -1 },
  ])
  changes.sort((a, b) => a.at - b.at || a.change - b.change) // who leaves goes before who comes
  let [current, most] = [0, 0]
  for (const { change } of changes) {
    current += change
    most = Math.max(most, current)
  }
  return most
}

export function earliest(records: readonly RequestRecord[]): number {
  return records.reduce((least, { startMs }) => Math.min(least, startMs), Number.POSITIVE_INFINITY)
}
