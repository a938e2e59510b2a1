// Quire on the workload: one thread, in a Worker of its own.

import { LLM } from '/quire/dist/web/bundle/quire.js'

export const load = async ({ folder, dtype, contextTokens, manyPrompts }) => {
  const llm = await LLM.create({
    model: folder,
    dtype,
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
