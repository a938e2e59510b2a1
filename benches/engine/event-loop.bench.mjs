// How long the event loop is held while the engine generates: 64 sequences of the bundled model, against the same loop idle.
// The histogram's own resolution is 1 ms, so an idle loop shows about 1 ms.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { LLM } from 'quire-llm'
import { report } from './result-file.mjs'

const SEQUENCES = 64
const TOKENS = 256

async function delayDuring(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await work()
  histogram.disable()
  const milliseconds = nanoseconds => Math.round(nanoseconds / 1e4) / 100
  return {
    p50_ms: milliseconds(histogram.percentile(50)),
    p99_ms: milliseconds(histogram.percentile(99)),
    max_ms: milliseconds(histogram.max),
  }
}

const llm = await LLM.create()
const prompts = Array.from({ length: SEQUENCES }, (_, index) => `Once upon a time ${index}`)
const params = { temperature: 0.8, seed: 1, maxTokens: TOKENS, ignoreEos: true }
const generate = async () => {
  const streams = prompts.map(async prompt => {
    for await (const _ of llm.stream(prompt, params));
  })
  await Promise.all(streams)
}

await generate() // warm-up
const idle = await delayDuring(() => sleep(2000))
let seconds = 0
const generating = await delayDuring(async () => {
  const startedAt = performance.now()
  await generate()
  seconds = (performance.now() - startedAt) / 1000
})
report('event-loop', {
  sequences: SEQUENCES,
  tokens_each: TOKENS,
  tokens_per_second: Math.round((SEQUENCES * TOKENS) / seconds),
  idle,
  generating,
})
await llm.close()
