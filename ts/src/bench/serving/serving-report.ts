// The block that `bench serve` prints: vLLM's labels, widths and order.

import type { MetricName, ServingMetrics } from './serving-metrics.js'
import type { Summary } from './statistics.js'

const WIDTH = 50
const LABEL_WIDTH = 40

const METRICS: readonly { readonly name: MetricName; readonly short: string; readonly title: string }[] = [
  { name: 'ttft', short: 'TTFT', title: 'Time to First Token' },
  { name: 'tpot', short: 'TPOT', title: 'Time per Output Token (excl. 1st token)' },
  { name: 'itl', short: 'ITL', title: 'Inter-token Latency' },
  { name: 'e2el', short: 'E2EL', title: 'End-to-end Latency' },
  { name: 'client_queue_time', short: 'Client Queue Time', title: 'Client-side Queueing' },
  {
    name: 'e2el_including_client_queue',
    short: 'E2EL incl. Client Queue',
    title: 'Queue-inclusive End-to-end Latency',
  },
]

export interface ReportOptions {
  /** Whose percentiles are printed. */
  readonly metrics: readonly MetricName[]
  readonly maxConcurrency?: number
  readonly requestRate: number
  /** Connections that were reset or refused. */
  readonly resets: number
}

/** @returns lines with their line breaks. */
export function servingReport(metrics: ServingMetrics, options: ReportOptions): string {
  const { maxConcurrency, requestRate, resets } = options
  const lines = [
    centred(' Serving Benchmark Result ', '='),
    whole('Successful requests:', metrics.completed),
    whole('Failed requests:', metrics.failed),
    maxConcurrency !== undefined && whole('Maximum request concurrency:', maxConcurrency),
    Number.isFinite(requestRate) && decimal('Request rate configured (RPS):', requestRate),
    decimal('Benchmark duration (s):', metrics.durationS),
    whole('Total input tokens:', metrics.totalInputTokens),
    whole('Total generated tokens:', metrics.totalOutputTokens),
    decimal('Request throughput (req/s):', metrics.requestThroughput),
    metrics.requestGoodput !== undefined && decimal('Request goodput (req/s):', metrics.requestGoodput),
    decimal('Output token throughput (tok/s):', metrics.outputThroughput),
    decimal('Peak output token throughput (tok/s):', metrics.peakOutputThroughput),
    decimal('Peak concurrent requests:', metrics.peakConcurrency),
    decimal('Total token throughput (tok/s):', metrics.totalThroughput),
    resets > 0 && whole('Connections reset:', resets),
    ...printed(options).flatMap(({ name, short, title }) => section(title, short, metrics.summaries[name])),
    '='.repeat(WIDTH),
  ]
  return lines
    .filter(line => line !== false)
    .map(line => `${line}\n`)
    .join('')
}

/** The metrics that a report has, in its order; those of the client's queue only where there may be one. */
export function printed(
  options: Pick<ReportOptions, 'metrics' | 'maxConcurrency' | 'requestRate'>,
): readonly { readonly name: MetricName; readonly short: string; readonly title: string }[] {
  const queues = options.maxConcurrency !== undefined
  return METRICS.filter(({ name }) => {
    if (name === 'client_queue_time') return queues && options.metrics.includes(name)
    if (name === 'e2el_including_client_queue')
      return queues && Number.isFinite(options.requestRate) && options.metrics.includes(name)
    return options.metrics.includes(name)
  })
}

/** `99`, `99.9`: the percent as labels and keys have it. */
export function percentWord(percent: number): string {
  return String(percent)
}

function section(title: string, short: string, { mean, median, percentiles }: Summary): string[] {
  return [
    centred(title, '-'),
    decimal(`Mean ${short} (ms):`, mean),
    decimal(`Median ${short} (ms):`, median),
    ...[...percentiles].map(([percent, value]) => decimal(`P${percentWord(percent)} ${short} (ms):`, value)),
  ]
}

function centred(text: string, fill: string): string {
  const left = Math.floor((WIDTH - text.length) / 2)
  return text.padStart(text.length + Math.max(left, 0), fill).padEnd(WIDTH, fill)
}

function whole(label: string, value: number): string {
  return `${label.padEnd(LABEL_WIDTH)} ${String(value).padEnd(10)}`
}

function decimal(label: string, value: number): string {
  return `${label.padEnd(LABEL_WIDTH)} ${value.toFixed(2).padEnd(10)}`
}
