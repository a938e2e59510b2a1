// A real chat model, SmolLM2-135M-Instruct: conversations rendered, ids and logprobs as transformers gives them, and 32
// conversations at once. The weights are fetched by tests/fetch-models.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type ChatMessage, LLM, SamplingParams } from 'quire-llm'
import { type GoldenLogprob, sharedModels, withoutSharedModels } from './golden-model.js'

interface GoldenChat {
  readonly messages: readonly ChatMessage[]
  readonly rendered: string
  readonly prompt_token_ids: readonly number[]
  readonly max_tokens: number
  readonly output_token_ids: readonly number[]
  readonly text: string
  readonly finish_reason: 'stop' | 'length'
  readonly prompt_logprobs_first_64: readonly (number | null)[]
  readonly logprobs_first_48: readonly GoldenLogprob[]
}

const models = process.env.QUIRE_TEST_MODELS ?? ''
const model = join(models, 'smollm2-135m-instruct')
const golden = join(sharedModels ?? '', 'smollm2-135m-instruct', 'golden.json')

function reasonToSkip(): string | undefined {
  if (models === '' || !existsSync(join(model, 'model.safetensors'))) {
    return process.env.QUIRE_TEST_MODELS_SKIPPED ?? 'the weights were not fetched (npm test does it)'
  }
  if (sharedModels === undefined || !existsSync(golden)) return withoutSharedModels
  return undefined
}

const reason = reasonToSkip()
const chats = reason === undefined ? (JSON.parse(readFileSync(golden, 'utf8')) as { cases: GoldenChat[] }).cases : []
if (reason !== undefined) test.skip(`SmolLM2-135M-Instruct: ${reason}`, () => {})
else {
  test.serial('SmolLM2-135M-Instruct: rendered chats, ids and logprobs in float32', async t => {
    await using llm = await LLM.create({ model, dtype: 'float32', maxModelLen: 2048 })
    for (const chat of chats) t.is(llm.applyChatTemplate(chat.messages), chat.rendered)
    const params = chats.map(
      chat => new SamplingParams({ temperature: 0, maxTokens: chat.max_tokens, logprobs: 5, promptLogprobs: 0 }),
    )
    const outputs = await llm.chat(
      chats.map(chat => chat.messages),
      params,
      { progress: false },
    )
    for (const [index, output] of outputs.entries()) {
      const chat = chats[index] as GoldenChat
      const [completion] = output.outputs
      t.deepEqual(Array.from(output.promptTokenIds), chat.prompt_token_ids)
      t.deepEqual(completion?.tokenIds, chat.output_token_ids, `conversation ${index}`)
      t.is(completion?.text, chat.text)
      t.is(completion?.finishReason, chat.finish_reason)
      for (const [position, expected] of chat.logprobs_first_48.entries()) {
        const got = completion?.logprobs?.[position]?.logprob ?? Number.NaN
        t.true(
          Math.abs(got - expected.logprob) <= 1e-3,
          `conversation ${index}, output ${position}: ${got} is not ${expected.logprob}`,
        )
      }
      for (const [position, expected] of chat.prompt_logprobs_first_64.entries()) {
        if (expected === null) continue
        const got = output.promptLogprobs?.[position]?.logprob ?? Number.NaN
        t.true(Math.abs(got - expected) <= 1e-3, `conversation ${index}, prompt ${position}: ${got} is not ${expected}`)
      }
    }
  })

  test.serial('SmolLM2-135M-Instruct: 32 conversations at once', async t => {
    await using llm = await LLM.create({ model, dtype: 'float32', maxModelLen: 2048 })
    const many = Array.from({ length: 32 }, (_, index) => chats[index % chats.length] as GoldenChat)
    const outputs = await llm.chat(
      many.map(chat => chat.messages),
      many.map(chat => new SamplingParams({ temperature: 0, maxTokens: chat.max_tokens })),
      { progress: false },
    )
    for (const [index, output] of outputs.entries()) {
      t.deepEqual(output.outputs[0]?.tokenIds, many[index]?.output_token_ids, `conversation ${index}`)
    }
  })
}
