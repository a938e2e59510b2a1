// A real chat model on every framework: SmolLM2-135M-Instruct's greedy ids, as transformers gives them in float32.

import { readFileSync } from 'node:fs'
import test from 'ava'
import { LLM } from 'quire-llm'
import { golden, model, reasonToSkip } from '../parity/smollm2-model.js'
import { pythonFrameworks } from './python-frameworks.js'

interface GoldenCase {
  readonly prompt_token_ids: readonly number[]
  readonly output_token_ids: readonly number[]
}

/** Of each continuation: enough for any mistake to show, and no more than a slow machine bears. */
const MOST_TOKENS = 32
/** Longer prompts run on the embedded default. */
const LONGEST_PROMPT = 128

const skipped = reasonToSkip()

for (const { name: framework, reason } of pythonFrameworks) {
  if (skipped !== undefined || reason !== undefined) {
    test.skip(`${framework}, SmolLM2-135M-Instruct: ${reason ?? skipped}`, () => {})
    continue
  }
  test.serial(`${framework}, SmolLM2-135M-Instruct: golden ids`, async t => {
    const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: GoldenCase[] }
    const short = cases.filter(one => one.prompt_token_ids.length <= LONGEST_PROMPT)
    t.true(short.length >= 3)
    const options = { maxModelLen: 192, maxNumSeqs: 8, maxNumBatchedTokens: 192, loadTokenizer: false, threads: 2 }
    await using llm = await LLM.create({ model, framework, dtype: 'float32', ...options })
    const outputs = await llm.generate(
      short.map(one => one.prompt_token_ids),
      { temperature: 0, maxTokens: MOST_TOKENS },
      { progress: false },
    )
    for (const [index, output] of outputs.entries()) {
      t.deepEqual(output.outputs[0]?.tokenIds, short[index]?.output_token_ids.slice(0, MOST_TOKENS), `case ${index}`)
    }
  })
}
