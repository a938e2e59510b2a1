// A worker thread that loads both native modules, runs a model with them, and lets go of everything.

import { parentPort } from 'node:worker_threads'
import { LLM } from 'quire-llm'

const llm = await LLM.create({ framework: 'candle', numBlocks: 64, threads: 1 })
const { outputs } = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 4 })
await llm.close()
parentPort.postMessage(outputs[0].text)
