// Greedy continuations of a golden model's prompts, and their comparison with what transformers gave.

import type { ExecutionContext } from 'ava'
import { type CreateOptions, LLM, type RequestOutput, SamplingParams } from 'quire-llm'
import type { GoldenCase, GoldenModel } from './golden-model.js'

/** Kernels that QUIRE_CPU can force; undefined = as detected. */
export type ForcedKernels = 'avx512bf16' | 'avx512' | 'avx2' | 'scalar' | 'reference' | undefined

/** Runs `work` with QUIRE_CPU set. Tests that use it run one after another. */
export async function withKernels<T>(kernels: ForcedKernels, work: () => Promise<T>): Promise<T> {
  const before = process.env.QUIRE_CPU
  if (kernels !== undefined) process.env.QUIRE_CPU = kernels
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env.QUIRE_CPU
    else process.env.QUIRE_CPU = before
  }
}

export function greedyParams(model: GoldenModel, one: GoldenCase, changes: object = {}): SamplingParams {
  return new SamplingParams({ temperature: 0, maxTokens: one.max_tokens, stopTokenIds: model.stopTokenIds, ...changes })
}

/** All prompts of the model at once, `copies` times over; `afterwards` may look at the engine before it closes. */
export async function continueAll(
  model: GoldenModel,
  options: CreateOptions,
  copies = 1,
  afterwards: (llm: LLM) => void = () => {},
): Promise<RequestOutput[]> {
  await using llm = await LLM.create({ model: model.path, dtype: 'float32', ...options })
  const cases = Array.from({ length: copies }, () => model.cases).flat()
  const outputs = await llm.generate(
    cases.map(one => one.prompt_token_ids),
    cases.map(one => greedyParams(model, one)),
    { progress: false },
  )
  afterwards(llm)
  return outputs
}

/** The ids must be those that transformers gave, all of them. */
export function assertGoldenTokens(t: ExecutionContext, model: GoldenModel, outputs: readonly RequestOutput[]): void {
  for (const [index, output] of outputs.entries()) {
    const golden = model.cases[index % model.cases.length] as GoldenCase
    t.deepEqual(output.outputs[0]?.tokenIds, golden.output_token_ids, `${model.name}, prompt ${index}`)
    t.is(output.outputs[0]?.finishReason, golden.finish_reason)
  }
}
