// The line about throughput and load that the log gets every ten seconds, as vLLM writes it; silent while nothing happens.

import type { Engine, EngineStats } from '../../engine/index.js'
import type { Logger } from '../logger.js'
import { usedShare } from './engine-metrics.js'

const INTERVAL_MS = 10_000

/** A log that goes on until it is stopped. */
export interface StatsLog {
  /** No line comes after this. */
  stop(): void
}

/** Has `logger` told of throughput and load every `intervalMs` milliseconds while something runs. */
export function startStatsLog(engine: Engine, logger: Logger, intervalMs = INTERVAL_MS): StatsLog {
  let before = engine.stats()
  let beforeMs = performance.now()
  let wasIdle = true
  const timer = setInterval(() => {
    const stats = engine.stats()
    const nowMs = performance.now()
    const isIdle = stats.numSteps === before.numSteps && stats.numRunning === 0 && stats.numWaiting === 0
    // One line after the last step, so that the log ends with zeros; then none.
    if (!isIdle || !wasIdle) tell(logger, before, stats, Math.max(1, nowMs - beforeMs) / 1000)
    before = stats
    beforeMs = nowMs
    wasIdle = isIdle
  }, intervalMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

function tell(logger: Logger, before: EngineStats, stats: EngineStats, seconds: number): void {
  const generated = stats.numGeneratedTokens - before.numGeneratedTokens
  // A decoding sequence computes the token that it drew before; the rest of what is computed is prompts.
  const prompt = Math.max(0, stats.numScheduledTokens - before.numScheduledTokens - generated)
  const queries = stats.prefixCacheQueries - before.prefixCacheQueries
  const hits = stats.prefixCacheHits - before.prefixCacheHits
  const fields = {
    promptTokensPerSecond: rounded(prompt / seconds),
    generationTokensPerSecond: rounded(generated / seconds),
    running: stats.numRunning,
    waiting: stats.numWaiting,
    kvCacheUsagePercent: rounded(usedShare(stats) * 100),
    prefixCacheHitPercent: rounded(queries === 0 ? 0 : (hits / queries) * 100),
  }
  logger.info(
    fields,
    `Engine 000: Avg prompt throughput: ${fields.promptTokensPerSecond} tokens/s, ` +
      `Avg generation throughput: ${fields.generationTokensPerSecond} tokens/s, Running: ${fields.running} reqs, ` +
      `Waiting: ${fields.waiting} reqs, KV cache usage: ${fields.kvCacheUsagePercent}%, ` +
      `Prefix cache hit rate: ${fields.prefixCacheHitPercent}%`,
  )
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
