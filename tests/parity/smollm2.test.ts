// A real chat model, SmolLM2-135M-Instruct: conversations rendered, ids and logprobs as transformers gives them, and 32
// conversations at once. The weights are fetched by tests/fetch-models.

import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type ChatMessage, LLM, type Prompt, SamplingParams } from 'quire-llm'
import type { GoldenLogprob } from './golden-model.js'
import { golden, model, reasonToSkip } from './smollm2-model.js'

/** A conversation, or a plain text that goes on. */
interface GoldenCase {
  readonly messages?: readonly ChatMessage[]
  readonly prompt?: string
  readonly rendered?: string
  readonly prompt_token_ids: readonly number[]
  readonly max_tokens: number
  readonly output_token_ids: readonly number[]
  readonly text: string
  readonly finish_reason: 'stop' | 'length'
  readonly prompt_logprobs_first_64: readonly (number | null)[]
  readonly logprobs_first_48: readonly GoldenLogprob[]
}

const reason = reasonToSkip()
const cases = reason === undefined ? (JSON.parse(readFileSync(golden, 'utf8')) as { cases: GoldenCase[] }).cases : []

function promptOf({ messages, prompt }: GoldenCase): Prompt {
  return messages === undefined ? (prompt ?? '') : { messages }
}

if (reason !== undefined) test.skip(`SmolLM2-135M-Instruct: ${reason}`, () => {})
else {
  test.serial('SmolLM2-135M-Instruct: rendered chats, ids and logprobs in float32', async t => {
    await using llm = await LLM.create({ model, dtype: 'float32', maxModelLen: 2048 })
    for (const { messages, rendered } of cases) {
      if (messages !== undefined) t.is(llm.applyChatTemplate(messages), rendered as string)
    }
    const params = cases.map(
      one => new SamplingParams({ temperature: 0, maxTokens: one.max_tokens, logprobs: 5, promptLogprobs: 0 }),
    )
    const outputs = await llm.generate(cases.map(promptOf), params, { progress: false })
    for (const [index, output] of outputs.entries()) {
      const one = cases[index] as GoldenCase
      const [completion] = output.outputs
      t.deepEqual(output.promptTokenIds, one.prompt_token_ids)
      t.deepEqual(completion?.tokenIds, one.output_token_ids, `case ${index}`)
      t.is(completion?.text, one.text)
      t.is(completion?.finishReason, one.finish_reason)
      for (const [position, expected] of one.logprobs_first_48.entries()) {
        assertClose(t, completion?.logprobs?.[position]?.logprob, expected.logprob, `case ${index}, output ${position}`)
      }
      for (const [position, expected] of one.prompt_logprobs_first_64.entries()) {
        if (expected === null) continue
        assertClose(t, output.promptLogprobs?.[position]?.logprob, expected, `case ${index}, prompt ${position}`)
      }
    }
  })

  test.serial('SmolLM2-135M-Instruct: 32 conversations at once', async t => {
    await using llm = await LLM.create({ model, dtype: 'float32', maxModelLen: 2048 })
    const many = Array.from({ length: 32 }, (_, index) => cases[index % cases.length] as GoldenCase)
    const params = many.map(one => new SamplingParams({ temperature: 0, maxTokens: one.max_tokens }))
    const outputs = await llm.generate(many.map(promptOf), params, { progress: false })
    for (const [index, output] of outputs.entries()) {
      t.deepEqual(output.outputs[0]?.tokenIds, many[index]?.output_token_ids, `case ${index}`)
    }
  })
}

function assertClose(t: ExecutionContext, got: number | undefined, expected: number, what: string): void {
  t.true(got !== undefined && Math.abs(got - expected) <= 1e-3, `${what}: ${got} is not ${expected}`)
}
