// Quire on the workload.

import { LLM } from 'quire-llm'
import { measure, threads } from './workload.mjs'

const [model] = process.argv.slice(2)
const llm = await LLM.create({
  model,
  dtype: 'bfloat16',
  threads,
  maxModelLen: 2048,
  maxNumSeqs: 32,
  maxNumBatchedTokens: 512,
  loadTokenizer: false,
})
const params = count => ({ temperature: 0, maxTokens: count, ignoreEos: true, detokenize: false })

await measure('quire', {
  async generate(ids, count, onToken = () => {}) {
    for await (const { outputs } of llm.stream(ids, params(count))) {
      for (const _ of outputs[0].tokenIds) onToken()
    }
  },
  many: (prompts, count) => llm.generate(prompts, params(count), { progress: false }),
})
await llm.close()
