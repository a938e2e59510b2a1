// node-llama-cpp on the workload: one context with 16 sequences, as its documentation advises for many at once.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { measure, threads } from './workload.mjs'

const [model, packages] = process.argv.slice(2)
const { getLlama } = await import(
  pathToFileURL(createRequire(`${packages}/package.json`).resolve('node-llama-cpp')).href
)
const llama = await getLlama({ gpu: false, maxThreads: threads, build: 'never', logLevel: 'error' })
const loaded = await llama.loadModel({ modelPath: model })
const context = await loaded.createContext({ sequences: 16, contextSize: 1024, batchSize: 512, threads })
const sequences = Array.from({ length: 16 }, () => context.getSequence())

async function run(sequence, ids, count, onToken = () => {}) {
  await sequence.clearHistory()
  let produced = 0
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    produced += 1
    onToken()
    if (produced === count) break
  }
}

await measure('node-llama-cpp', {
  generate: (ids, count, onToken) => run(sequences[0], ids, count, onToken),
  many: (prompts, count) => Promise.all(prompts.map((ids, index) => run(sequences[index], ids, count))),
})
await llama.dispose()
