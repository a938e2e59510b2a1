// What is told on standard error when a model is ready: its name, and how many tokens the KV cache holds.

import type { LLM } from '../llm.js'
import type { Streams } from './streams.js'

export function announce({ modelInfo, cacheInfo }: LLM, { stderr }: Streams): void {
  const count = (value: number): string => Math.floor(value).toLocaleString('en-US')
  stderr.write(
    `quire: ${modelInfo.architecture} in ${modelInfo.dtype}, KV cache for ${count(cacheInfo.numTokens)} tokens, ` +
      `${count(cacheInfo.maxConcurrency)} sequences of full length at once\n`,
  )
}
