// Greedy tokens, texts and logprobs of real models equal those of Hugging Face transformers.

import test from 'ava'
import { LLM } from 'quire-llm'
import {
  type GoldenCase,
  goldenModels,
  keepsTokensInBfloat16,
  sharedModels,
  withoutSharedModels,
} from './golden-model.js'
import { assertGoldenTokens, continueAll, greedyParams } from './greedy.js'

const LOGPROB_TOLERANCE = 1e-3

if (sharedModels === undefined) test.skip(`golden models: ${withoutSharedModels}`, () => {})

for (const model of goldenModels()) {
  test.serial(`${model.name}: ids, text, logprobs and prompt logprobs in float32`, async t => {
    await using llm = await LLM.create({ model: model.path, dtype: 'float32' })
    const params = model.cases.map(one => greedyParams(model, one, { logprobs: 5, promptLogprobs: 0 }))
    const outputs = await llm.generate(
      model.cases.map(one => one.prompt),
      params,
      { progress: false },
    )
    for (const [index, output] of outputs.entries()) {
      const golden = model.cases[index] as GoldenCase
      const [completion] = output.outputs
      t.deepEqual(
        Array.from(output.promptTokenIds),
        golden.prompt_token_ids,
        'the tokenizer gives the golden prompt ids',
      )
      t.deepEqual(completion?.tokenIds, golden.output_token_ids)
      t.is(completion?.finishReason, golden.finish_reason)
      if (golden.finish_reason === 'length') t.is(completion?.text.trimStart(), golden.text.trimStart())
      for (const [position, expected] of golden.logprobs.entries()) {
        const got = completion?.logprobs?.[position]
        t.is(got?.tokenId, expected.token_id)
        closeTo(t, got?.logprob, expected.logprob, `output ${position}`)
        for (const [id, logprob] of expected.top5) {
          const entry = got?.top.find(candidate => candidate.tokenId === id)
          if (entry !== undefined) closeTo(t, entry.logprob, logprob, `output ${position}, id ${id}`)
        }
      }
      for (const [position, expected] of golden.prompt_logprobs.entries()) {
        if (expected === null) t.is(output.promptLogprobs?.[position], null)
        else closeTo(t, output.promptLogprobs?.[position]?.logprob, expected, `prompt ${position}`)
      }
    }
  })

  if (keepsTokensInBfloat16(model)) {
    test.serial(`${model.name}: ids in bfloat16`, async t => {
      assertGoldenTokens(t, model, await continueAll(model, { dtype: 'bfloat16' }))
    })
  }
}

function closeTo(t: import('ava').ExecutionContext, got: number | undefined, expected: number, what: string): void {
  t.true(got !== undefined && Math.abs(got - expected) <= LOGPROB_TOLERANCE, `${what}: ${got} is not ${expected}`)
}
