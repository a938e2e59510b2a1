// Batches: prompts in chunks, decode rows, padding, in every mixture that the engine may send.

import type { ConformanceCase } from '../conformance-case.js'
import { expectEqual } from '../expectations.js'
import { clearPrompts, expectLogits, randomTokens, show } from '../logits-check.js'
import type { TinyModel } from '../plugin-subject.js'

const group = 'runner'

function runnerCase(name: string, run: (model: TinyModel) => Promise<string | undefined>): ConformanceCase {
  return { name, group, run: async subject => run(await subject.tinyModel()) }
}

/** Sequences as tokens per step: `plan[sequence][step]`. */
interface Mixture {
  readonly name: string
  readonly plan: (model: TinyModel) => readonly (readonly number[])[]
  readonly blockTableStride?: (model: TinyModel) => number
}

const ones = (length: number): number[] => new Array<number>(length).fill(1)

const mixtures: readonly Mixture[] = [
  { name: 'a prompt in one step', plan: () => [[29]] },
  { name: 'one token', plan: () => [[1]] },
  { name: 'a prompt token by token', plan: () => [ones(13)] },
  { name: 'a prompt in chunks of many sizes', plan: () => [[1, 2, 3, 5, 7, 11]] },
  { name: 'several prompts side by side', plan: () => [[5], [1], [17], [12]] },
  {
    name: 'prompt chunks and decode rows mixed',
    plan: () => [
      [13, ...ones(8)],
      [0, 5, 1, 1, 1, 1],
      [1, 0, 6, 0, 7],
      [0, 0, 0, 3, 1, 1],
      [16, 13, 0, 0, 1, 0, 2],
    ],
  },
  {
    name: 'the largest batch: as many rows and tokens as there may be',
    plan: ({ session: { limits } }) => {
      const { maxNumSeqs, maxNumBatchedTokens } = limits
      return Array.from({ length: maxNumSeqs }, () => [Math.floor(maxNumBatchedTokens / maxNumSeqs), ...ones(3)])
    },
  },
  {
    name: 'the longest context',
    plan: ({ session: { limits } }) => {
      const { maxModelLen, maxNumBatchedTokens } = limits
      const first = Math.min(maxNumBatchedTokens, maxModelLen - 2)
      return [[first, maxModelLen - 1 - first, 1]]
    },
  },
  {
    name: 'block tables with padding',
    plan: () => [[6, 1, 1], [0, 3, 1], [11]], // biome-ignore format: one line is the plan
    blockTableStride: ({ session: { limits } }) => Math.ceil(limits.maxModelLen / limits.blockSize),
  },
]

async function follow(mixture: Mixture, model: TinyModel): Promise<string> {
  const { session, checkpoint, tolerance } = model
  const plan = mixture.plan(model)
  const { vocabSize } = checkpoint.config
  const prompts = plan.map((counts, index) => {
    const length = counts.reduce((a, b) => a + b, 0)
    return randomTokens(index + 1, length, vocabSize)
  })
  const sequences = prompts.map(tokenIds => session.start(tokenIds))
  const stride = mixture.blockTableStride?.(model)
  const found = await session.follow(sequences, plan, stride === undefined ? {} : { blockTableStride: stride })
  const errors = prompts.map((tokenIds, index) => {
    const expected = checkpoint.reference.logits(tokenIds)
    return expectLogits(found[index] ?? [], expected, tolerance, `sequence ${index}`)
  })
  session.free(...sequences)
  return `largest error ${show(Math.max(...errors))}`
}

export const batchCases: readonly ConformanceCase[] = [
  ...mixtures.map(mixture => runnerCase(mixture.name, model => follow(mixture, model))),
  runnerCase('a step that wants no logits', async ({ session, checkpoint, tolerance }) => {
    const tokenIds = randomTokens(7, 11, checkpoint.config.vocabSize)
    const sequence = session.start(tokenIds)
    const { output } = await session.step([session.row(sequence, 7)])
    expectEqual(output.kind, 'logits', 'output of a step in which no row samples')
    const [rest] = await session.follow([sequence], [[4]])
    session.free(sequence)
    expectLogits(rest ?? [], checkpoint.reference.logits(tokenIds).slice(7), tolerance, 'the tokens after it')
    return undefined
  }),
  runnerCase('stable row ids in any order', async ({ session, checkpoint, tolerance }) => {
    const { vocabSize } = checkpoint.config
    const prompts = [4, 9, 2].map((length, index) => randomTokens(20 + index, length, vocabSize))
    const sequences = prompts.map(tokenIds => session.start(tokenIds))
    const ids = [session.limits.maxNumSeqs - 1, 0, 3]
    const rows = sequences.map((sequence, index) => {
      return session.row(sequence, sequence.tokenIds.length, { row: ids[index] as number, samples: true })
    })
    const { logits } = await session.step(rows)
    session.free(...sequences)
    const expected = prompts.flatMap(tokenIds => checkpoint.reference.logits(tokenIds).slice(-1))
    expectLogits(logits, expected, tolerance, 'the last tokens')
    return undefined
  }),
  runnerCase('the same step twice gives the same bits', async ({ session, checkpoint }) => {
    const { vocabSize } = checkpoint.config
    const sequences = [17, 5, 9].map((length, index) => session.start(randomTokens(30 + index, length, vocabSize)))
    const [a, b, c] = sequences as [(typeof sequences)[0], (typeof sequences)[0], (typeof sequences)[0]]
    await session.step([session.row(a, 16), session.row(c, 3)])
    const rows = [session.row(a, 1, { samples: true }), session.row(b, 5, { logitsOf: [0, 5] }), session.row(c, 6)]
    const first = await session.step(rows)
    const second = await session.step(rows)
    session.free(...sequences)
    expectEqual(second.logits, first.logits, 'logits')
    return undefined
  }),
  runnerCase('other sequences in the batch change no token', async ({ session, checkpoint, tolerance }) => {
    const { vocabSize } = checkpoint.config
    const lengths = [3, 21, 8, 14, 1]
    const prompts = clearPrompts(checkpoint.reference, lengths, { count: 6, vocabSize, tolerance })
    const asked = prompts.map(({ tokenIds }) => ({ tokenIds, count: 6 }))
    const together = await session.greedy(asked)
    for (const [index, one] of asked.entries()) {
      const [alone] = await session.greedy([one])
      expectEqual(alone, together[index], `prompt ${index} alone, and with others`)
    }
    return undefined
  }),
]
