// Checkpoints of the caller: greedy tokens must be the golden ones.

import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { codeOf, expectEqual } from '../expectations.js'
import type { GoldenModel } from '../golden-model.js'
import type { ModelSession } from '../model-session.js'
import type { PluginSubject } from '../plugin-subject.js'

const STEP_TOKENS = 48

/** One case a model: all its prompts together. */
export function goldenCases(models: readonly GoldenModel[]): ConformanceCase[] {
  return models.map(model => ({
    name: model.name ?? basename(model.path),
    group: 'golden tokens',
    run: async subject => {
      await needArchitecture(subject, model.path)
      const session = await openGolden(subject, model)
      const outputs = await session.greedy(
        model.cases.map(one => ({
          tokenIds: one.promptTokenIds,
          count: one.outputTokenIds.length,
          suppressed: new Set(one.suppressTokenIds ?? []),
        })),
      )
      for (const [index, one] of model.cases.entries()) {
        expectEqual(outputs[index], one.outputTokenIds, `prompt ${index}`)
      }
      await subject.closeModel()
      return `${model.cases.length} prompts, ${outputs.flat().length} tokens`
    },
  }))
}

async function needArchitecture({ capabilities }: PluginSubject, path: string): Promise<void> {
  const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8')) as { architectures?: string[] }
  const architecture = config.architectures?.[0] ?? 'unknown'
  if (!capabilities.architectures.includes(architecture)) skip(`the runner has no ${architecture}`)
}

async function openGolden(subject: PluginSubject, model: GoldenModel): Promise<ModelSession> {
  const lengths = model.cases.map(one => one.promptTokenIds.length + one.outputTokenIds.length)
  const { blockSizes } = subject.capabilities
  const blockSize = blockSizes === 'any' || blockSizes.includes(16) ? 16 : subject.blockSize
  const dtype = model.dtype ?? 'float32'
  if (dtype !== 'auto' && !subject.capabilities.dtypes.includes(dtype)) skip(`the runner has no ${dtype}`)
  const numSeqs = model.cases.length
  const limits = {
    maxNumSeqs: numSeqs,
    maxNumBatchedTokens: Math.max(STEP_TOKENS, numSeqs),
    maxModelLen: Math.max(...lengths),
    maxLogitsRows: numSeqs,
    blockSize,
  }
  const numBlocks = 1 + lengths.reduce((total, length) => total + Math.ceil(length / blockSize), 0)
  try {
    return await subject.model({ path: model.path, target: subject.target({ dtype, blockSize }), limits, numBlocks })
  } catch (error) {
    if (codeOf(error) === 'ERR_MODEL_UNSUPPORTED') skip(`the runner does not support it: ${(error as Error).message}`)
    throw error
  }
}
