// wllama on the workload: llama.cpp's server loop, in a Worker of its own, one slot a prompt.

import { LoggerWithoutDebug, Wllama } from '/peers/@wllama/wllama/esm/index.js'

export const load = async ({ gguf, threads, contextTokens, manyPrompts }) => {
  const wllama = new Wllama({ default: '/peers/@wllama/wllama/esm/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug })
  const model = await (await fetch(gguf)).blob()
  await wllama.loadModel([model], {
    n_threads: threads,
    n_ctx: contextTokens * manyPrompts,
    n_parallel: manyPrompts,
    n_gpu_layers: 0,
  })
  const complete = async (prompt, count, onToken) => {
    let usage
    await wllama.createCompletion({
      prompt,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: count,
      temperature: 0,
      ignore_eos: true,
      onData: chunk => {
        usage = chunk.usage ?? usage
        if (chunk.choices?.[0]?.finish_reason == null) onToken()
      },
    })
    return usage
  }
  return {
    generate: async (text, count, onToken) => (await complete(text, count, onToken)).prompt_tokens,
    async many(texts, count) {
      const usages = await Promise.all(texts.map(text => complete(text, count, () => {})))
      return usages.reduce((sum, { completion_tokens: tokens }) => sum + tokens, 0)
    },
  }
}
