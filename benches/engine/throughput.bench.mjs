// What company costs and brings: tokens per second of the bundled model with 1, 4, 16 and 64 sequences at once.

import { LLM } from 'quire-llm'
import { median, report } from './result-file.mjs'

const TOKENS = 128
const ROUNDS = 3

const llm = await LLM.create({ enablePrefixCaching: false })
const params = { temperature: 0, maxTokens: TOKENS, ignoreEos: true }

async function tokensPerSecond(sequences) {
  const prompts = Array.from({ length: sequences }, (_, index) => `Once upon a time ${index}`)
  const startedAt = performance.now()
  await llm.generate(prompts, params, { progress: false })
  return (sequences * TOKENS) / ((performance.now() - startedAt) / 1000)
}

await tokensPerSecond(16) // warm-up
const figures = {}
for (const sequences of [1, 4, 16, 64]) {
  const samples = []
  for (let round = 0; round < ROUNDS; round += 1) samples.push(await tokensPerSecond(sequences))
  figures[`sequences_${sequences}`] = Math.round(median(samples))
}
report('throughput', { unit: 'output tokens per second, end to end', tokens_each: TOKENS, rounds: ROUNDS, ...figures })
await llm.close()
