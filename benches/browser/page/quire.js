// Quire on the workload: its loop in a Worker of its own, on as many threads as are asked for.

import { LLM } from '/quire/dist/web/bundle/quire.js'

export const load = async ({ model, dtype, threads, contextTokens, manyPrompts }) => {
  const llm = await LLM.create({
    model,
    threads,
    ...(dtype !== undefined && { dtype }),
    storage: 'none',
    maxModelLen: contextTokens,
    maxNumSeqs: manyPrompts,
  })
  const paramsOf = maxTokens => ({ temperature: 0, maxTokens, ignoreEos: true })
  return {
    async generate(text, count, onToken) {
      let promptTokens = 0
      for await (const { promptTokenIds, outputs } of llm.stream(text, paramsOf(count))) {
        promptTokens = promptTokenIds.length
        for (const _ of outputs[0].tokenIds) onToken()
      }
      return promptTokens
    },
    async many(texts, count) {
      const outputs = await llm.generate(texts, paramsOf(count))
      return outputs.reduce((sum, { outputs }) => sum + outputs[0].tokenIds.length, 0)
    },
  }
}
