// Results of the benches in this process as vLLM's JSON files have them.

import { LATENCY_PERCENTS, type LatencyResult } from './latency-bench.js'
import type { MachineShare } from './machine-share.js'
import type { ThroughputResult } from './throughput-bench.js'

export function latencyJson({ latencies, summary, machineShare }: LatencyResult): Readonly<Record<string, unknown>> {
  return {
    avg_latency: summary.mean,
    std_latency: summary.std,
    latencies,
    percentiles: Object.fromEntries(LATENCY_PERCENTS.map(percent => [percent, summary.percentiles.get(percent)])),
    ...machineShareJson(machineShare),
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
    ...machineShareJson(result.machineShare),
  }
}

/** The lines that are printed. */
export function latencyReport({ summary, machineShare }: LatencyResult): string {
  const percentiles = LATENCY_PERCENTS.map(
    percent => `${percent}% percentile latency: ${summary.percentiles.get(percent)} seconds\n`,
  )
  const average = `Avg latency: ${summary.mean} seconds\nStd latency: ${summary.std} seconds\n`
  return `${average}${percentiles.join('')}${machineShareReport(machineShare)}`
}

export function throughputReport(result: ThroughputResult): string {
  const { elapsedS, numRequests, promptTokens, outputTokens, machineShare } = result
  const rate = (count: number): string => (count / elapsedS).toFixed(2)
  return (
    `Throughput: ${rate(numRequests)} requests/s, ${rate(promptTokens + outputTokens)} total tokens/s, ` +
    `${rate(outputTokens)} output tokens/s\n` +
    `Total num prompt tokens:  ${promptTokens}\nTotal num output tokens:  ${outputTokens}\n${machineShareReport(machineShare)}`
  )
}

/** Its lines; none where there is no share. */
function machineShareReport(share: MachineShare | undefined): string {
  if (share === undefined) return ''
  const percent = (of: number): string => `${(100 * of).toFixed(0)}%`
  const { promptTokens, promptTokensPerS, promptShare, decodeTokensPerS, decodeShare } = share
  return (
    `One stream, prompt of ${promptTokens}: ${promptTokensPerS.toFixed(2)} tokens/s, ` +
    `${percent(promptShare)} of the multiplications that this machine can do\n` +
    `One stream, decode: ${decodeTokensPerS.toFixed(2)} tokens/s, ` +
    `${percent(decodeShare)} of the bytes that it can read from memory\n`
  )
}

/** The same for a file of results. */
function machineShareJson(share: MachineShare | undefined): Readonly<Record<string, unknown>> {
  if (share === undefined) return {}
  const { work, limits } = share
  return {
    machine_share: {
      kernels: limits.kernels,
      threads: work.threads,
      prompt_tokens: share.promptTokens,
      prompt_tokens_per_second: share.promptTokensPerS,
      prompt_share: share.promptShare,
      decode_tokens_per_second: share.decodeTokensPerS,
      decode_share: share.decodeShare,
      weight_bytes_per_token: work.weightBytes,
      operations_per_token: work.tokenOperations,
      operations_per_logits_row: work.logitsOperations,
      read_bytes_per_second: limits.readBytes,
      operations_per_second: {
        float32: limits.float32Operations,
        bfloat16: limits.bfloat16Operations,
        int8: limits.int8Operations,
      },
    },
  }
}
