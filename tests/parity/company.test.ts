// Company never changes tokens: the golden ids come out whatever the batch, the chunks, the blocks, the cache, the threads,
// the kernels and the backend.

import test from 'ava'
import type { CreateOptions } from 'quire-llm'
import { LLM } from 'quire-llm'
import { type GoldenModel, goldenModels, sharedModels, withoutSharedModels } from './golden-model.js'
import { assertGoldenTokens, continueAll, type ForcedKernels, greedyParams, withKernels } from './greedy.js'

interface Variation {
  readonly name: string
  readonly options: (model: GoldenModel) => CreateOptions
  readonly kernels?: ForcedKernels
  readonly copies?: (model: GoldenModel) => number
  readonly preempts?: true
}

/** Blocks for about one and a half sequences, so that several at once must preempt each other. */
function scarceBlocks({ cases, maxModelLen }: GoldenModel): number {
  const longest = Math.max(...cases.map(one => one.prompt_token_ids.length + one.output_token_ids.length))
  return Math.ceil((Math.min(longest, maxModelLen) * 1.5) / 8) + 2
}

const sixtyFour = ({ cases }: GoldenModel): number => Math.ceil(64 / cases.length)

const variations: readonly Variation[] = [
  { name: '64 together', options: () => ({}), copies: sixtyFour },
  { name: '64 together, no prefix caching', options: () => ({ enablePrefixCaching: false }), copies: sixtyFour },
  { name: 'steps of 1 token', options: () => ({ maxNumBatchedTokens: 1 }) },
  { name: 'steps of 7 tokens', options: () => ({ maxNumBatchedTokens: 7, maxNumSeqs: 7 }) },
  { name: 'steps of 64 tokens', options: () => ({ maxNumBatchedTokens: 64, maxNumSeqs: 64 }), copies: sixtyFour },
  { name: 'blocks of 8', options: () => ({ blockSize: 8 }), copies: () => 2 },
  { name: 'blocks of 32', options: () => ({ blockSize: 32 }), copies: () => 2 },
  { name: 'one thread', options: () => ({ threads: 1 }) },
  { name: 'two threads', options: () => ({ threads: 2 }) },
  {
    name: 'preempted',
    options: model => ({ blockSize: 8, numBlocks: scarceBlocks(model), maxModelLen: shortest(model) }),
    copies: () => 4,
    preempts: true,
  },
  { name: 'avx512 kernels', options: () => ({}), kernels: 'avx512' },
  { name: 'avx2 kernels', options: () => ({}), kernels: 'avx2' },
  { name: 'scalar kernels', options: () => ({}), kernels: 'scalar' },
  { name: 'reference backend', options: () => ({}), kernels: 'reference' },
]

/** The least model length that holds every golden continuation. */
function shortest({ cases, maxModelLen }: GoldenModel): number {
  return Math.min(
    maxModelLen,
    Math.max(...cases.map(one => one.prompt_token_ids.length + one.output_token_ids.length)) + 1,
  )
}

if (sharedModels === undefined) test.skip(`company of golden models: ${withoutSharedModels}`, () => {})

for (const model of goldenModels()) {
  for (const { name, options, kernels, copies, preempts } of variations) {
    test.serial(`${model.name}: ${name}`, async t => {
      try {
        await withKernels(kernels, async () => {
          const outputs = await continueAll(model, options(model), copies?.(model), llm => {
            if (preempts) t.true(llm.stats().numPreemptions > 0, 'nobody was preempted')
          })
          assertGoldenTokens(t, model, outputs)
        })
      } catch (error) {
        if (!unavailableHere(error, kernels)) throw error
        t.log(`SKIPPED: this CPU has no ${kernels}`)
        t.pass()
      }
    })
  }

  test.serial(`${model.name}: prompts one by one`, async t => {
    await using llm = await LLM.create({ model: model.path, dtype: 'float32' })
    const outputs = []
    for (const one of model.cases) outputs.push(await llm.generate(one.prompt_token_ids, greedyParams(model, one)))
    assertGoldenTokens(t, model, outputs)
  })
}

function unavailableHere(error: unknown, kernels: ForcedKernels): boolean {
  const { code, details } = error as { code?: string; details?: { parameter?: string } }
  return (
    kernels !== undefined &&
    kernels !== 'scalar' &&
    code === 'ERR_INVALID_ARGUMENT' &&
    details?.parameter === 'QUIRE_CPU'
  )
}
