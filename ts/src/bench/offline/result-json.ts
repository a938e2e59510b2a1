// Results of the benches in this process as vLLM's JSON files have them.

import { LATENCY_PERCENTS, type LatencyResult } from './latency-bench.js'
import type { ThroughputResult } from './throughput-bench.js'

export function latencyJson({ latencies, summary }: LatencyResult): Readonly<Record<string, unknown>> {
  return {
    avg_latency: summary.mean,
    std_latency: summary.std,
    latencies,
    percentiles: Object.fromEntries(LATENCY_PERCENTS.map(percent => [percent, summary.percentiles.get(percent)])),
  }
}

export function throughputJson(result: ThroughputResult): Readonly<Record<string, unknown>> {
  const { elapsedS, numRequests, promptTokens, outputTokens } = result
  const total = promptTokens + outputTokens
  return {
    elapsed_time: elapsedS,
    num_requests: numRequests,
    total_num_tokens: total,
    total_output_tokens: outputTokens,
    requests_per_second: numRequests / elapsedS,
    tokens_per_second: total / elapsedS,
    output_tokens_per_second: outputTokens / elapsedS,
  }
}

/** The lines that are printed. */
export function latencyReport({ summary }: LatencyResult): string {
  const percentiles = LATENCY_PERCENTS.map(
    percent => `${percent}% percentile latency: ${summary.percentiles.get(percent)} seconds\n`,
  )
  return `Avg latency: ${summary.mean} seconds\nStd latency: ${summary.std} seconds\n${percentiles.join('')}`
}

export function throughputReport({ elapsedS, numRequests, promptTokens, outputTokens }: ThroughputResult): string {
  const rate = (count: number): string => (count / elapsedS).toFixed(2)
  return (
    `Throughput: ${rate(numRequests)} requests/s, ${rate(promptTokens + outputTokens)} total tokens/s, ` +
    `${rate(outputTokens)} output tokens/s\n` +
    `Total num prompt tokens:  ${promptTokens}\nTotal num output tokens:  ${outputTokens}\n`
  )
}
