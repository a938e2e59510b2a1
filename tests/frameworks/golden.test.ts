// The engine on each framework: the golden tokens of every model, whatever the company, the chunks, the blocks and the ranks.
// They are the tokens that the embedded default gives (tests/parity), so all frameworks say the same.

import test from 'ava'
import type { CreateOptions } from 'quire-llm'
import { type GoldenModel, goldenModels, sharedModels, withoutSharedModels } from '../parity/golden-model.js'
import { assertGoldenTokens, continueAll } from '../parity/greedy.js'
import { pythonFrameworks } from './python-frameworks.js'

interface Variation {
  readonly name: string
  readonly options: CreateOptions
  readonly copies?: number
  readonly preempts?: true
}

/** Those of the models on which the variations run: grouped heads with rope, and learned positions. */
const VARIED = ['stories260K', 'slm4096-gpt2']
/** Small limits: what compiles its shapes has fewer of them. */
const limits = { maxNumSeqs: 16, maxNumBatchedTokens: 256, threads: 2 }

function variations({ cases, maxModelLen }: GoldenModel): readonly Variation[] {
  const longest = Math.max(...cases.map(one => one.prompt_token_ids.length + one.output_token_ids.length))
  const scarce = {
    blockSize: 8,
    numBlocks: Math.ceil((longest * 1.5) / 8) + 2,
    maxModelLen: Math.min(maxModelLen, longest + 1),
  }
  return [
    { name: '16 together', options: {}, copies: Math.ceil(16 / cases.length) },
    { name: 'no prefix caching, blocks of 32', options: { enablePrefixCaching: false, blockSize: 32 }, copies: 2 },
    { name: 'steps of 7 tokens', options: { maxNumBatchedTokens: 7, maxNumSeqs: 7 } },
    { name: 'preempted', options: scarce, copies: 2, preempts: true },
    { name: 'eager', options: { enforceEager: true, maxNumSeqs: 4 } },
    { name: 'two ranks', options: { tensorParallelSize: 2, threads: 1 }, copies: 2 },
  ]
}

if (sharedModels === undefined) test.skip(`golden models on every framework: ${withoutSharedModels}`, () => {})

for (const { name: framework, reason } of pythonFrameworks) {
  if (reason !== undefined) {
    test.skip(`${framework}: ${reason}`, () => {})
    continue
  }
  for (const model of goldenModels()) {
    test.serial(`${framework}, ${model.name}: golden ids`, async t => {
      assertGoldenTokens(t, model, await continueAll(model, { framework, ...limits }))
    })
    if (!VARIED.includes(model.name)) continue
    for (const { name, options, copies, preempts } of variations(model)) {
      test.serial(`${framework}, ${model.name}: ${name}`, async t => {
        const outputs = await continueAll(model, { framework, ...limits, ...options }, copies, llm => {
          if (preempts) t.true(llm.stats().numPreemptions > 0, 'nobody was preempted')
        })
        assertGoldenTokens(t, model, outputs)
      })
    }
  }
}
