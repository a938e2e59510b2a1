// Sampling: a runner that draws must draw what Quire's own sampler draws from its logits; one that does not must say so.

import type { ModelOutput } from '../../plugin/model-runner.js'
import type { BatchRow, RowSampling } from '../batch-builder.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expect, expectEqual } from '../expectations.js'
import { clearPrompts, randomTokens } from '../logits-check.js'
import { largestIndex, type ModelSession, type Sequence, type StepResult } from '../model-session.js'
import type { PluginSubject } from '../plugin-subject.js'

const group = 'sampling'
const STEPS = 4

/** What each row of a batch asks for. */
const mixtures: readonly (readonly [string, readonly RowSampling[]])[] = [
  ['greedy rows', [{}, {}, {}]],
  ['temperatures', [0.1, 0.7, 1, 1.8].map((temperature, row) => ({ temperature, seed: BigInt(row) }))],
  ['seeds of 64 bits', [1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)].map(seed => ({ temperature: 1, seed }))],
  ['top-k', [1, 2, 5, 1000].map((topK, row) => ({ temperature: 1, topK, seed: BigInt(row) }))],
  ['top-p', [0.05, 0.5, 0.9, 1].map((topP, row) => ({ temperature: 1.2, topP, seed: BigInt(row) }))],
  ['min-p', [0.01, 0.1, 0.5, 1].map((minP, row) => ({ temperature: 1.5, minP, seed: BigInt(row) }))],
  [
    'rows that ask for different things',
    [{}, { temperature: 1, seed: 3n }, { temperature: 0.8, topP: 0.9, topK: 20, minP: 0.02, seed: 4n }, {}],
  ],
]

async function compare(subject: PluginSubject, sampling: readonly RowSampling[]): Promise<string> {
  if (!subject.capabilities.deviceSampling) skip('capabilities.deviceSampling is false: Quire samples from its logits')
  const { session, checkpoint } = await subject.tinyModel()
  const { vocabSize } = checkpoint.config
  const sequences = sampling.map((_, index) => session.start(randomTokens(90 + index, 4 + 3 * index, vocabSize)))
  const chunk = session.start(randomTokens(99, 12, vocabSize)) // a row that does not sample
  for (let step = 0; step < STEPS; step += 1) {
    const rows = sequences.map((sequence, index) => sampled(session, sequence, sampling[index] as RowSampling))
    rows.splice(1, 0, session.row(chunk, 3))
    const drawn = tokensOf(await session.step(rows, { hostSampling: false }))
    const expected = await drawFrom(subject, session, rows, await session.step(rows))
    expectEqual(drawn, expected, `step ${step}: counts and tokens, by the runner and by Quire`)
    for (const [index, sequence] of sequences.entries()) sequence.tokenIds.push(drawn.tokenIds[index] as number)
  }
  session.free(...sequences, chunk)
  return `${STEPS * sampling.length} tokens`
}

function sampled(session: ModelSession, sequence: Sequence, sampling: RowSampling): BatchRow {
  return session.row(sequence, sequence.tokenIds.length - sequence.numComputed, { samples: true, sampling })
}

interface DrawnTokens {
  readonly counts: readonly number[]
  readonly tokenIds: readonly number[]
}

function tokensOf({ output }: { readonly output: ModelOutput }): DrawnTokens {
  expect(output.kind === 'tokens', `deviceSampling is true, and a step that it may sample gave ${output.kind}`)
  return { counts: Array.from(output.counts), tokenIds: Array.from(output.tokenIds) }
}

/** What Quire's sampler draws from the logits of a step. */
async function drawFrom(
  subject: PluginSubject,
  session: ModelSession,
  rows: readonly BatchRow[],
  { batch, output, logits }: StepResult,
): Promise<DrawnTokens> {
  expectEqual(output.kind, 'logits', 'output of a step that Quire samples')
  const sampler = subject.sampler(session.info.vocabSize)
  for (const { sequenceId, sampling = {} } of rows) {
    const { temperature = 0, topP = 1, topK = 0, minP = 0, seed = 0n } = sampling
    const penalties = { presencePenalty: 0, frequencyPenalty: 0, repetitionPenalty: 1 }
    const nothing = {
      minTokens: 0,
      stopAndEosIds: [],
      logitBiasIds: [],
      logitBiases: [],
      badWords: [],
      hasGrammar: false,
    }
    const draw = { n: 1, temperature, topP, topK, minP, seed, ...penalties, ...nothing }
    sampler.add(sequenceId, 1, draw, new Int32Array(0))
  }
  const joined = Float32Array.from(logits.flatMap(row => Array.from(row)))
  const { counts, tokenIds } = await sampler.sample(batch, joined)
  return { counts: Array.from(counts), tokenIds: Array.from(tokenIds) }
}

export const samplingCases: readonly ConformanceCase[] = [
  ...mixtures.map(
    ([name, sampling]): ConformanceCase => ({
      name: `${name}: the runner draws what Quire draws`,
      group,
      run: subject => compare(subject, sampling),
    }),
  ),
  {
    name: 'logits where Quire samples',
    group,
    run: async subject => {
      const { session, checkpoint } = await subject.tinyModel()
      const sequence = session.start(randomTokens(91, 5, checkpoint.config.vocabSize))
      const row = sampled(session, sequence, {})
      expectEqual((await session.step([row])).output.kind, 'logits', 'output of a step with the flag hostSampling')
      if (!subject.capabilities.deviceSampling) {
        const { output } = await session.step([row], { hostSampling: false })
        expectEqual(output.kind, 'logits', 'output without deviceSampling')
      }
      session.free(sequence)
      return undefined
    },
  },
  {
    name: 'what Quire draws greedily is the largest logit of the reference',
    group,
    run: async subject => {
      const { session, checkpoint, tolerance } = await subject.tinyModel()
      const { vocabSize } = checkpoint.config
      const prompts = clearPrompts(checkpoint.reference, [3, 9, 20], { count: 1, vocabSize, tolerance })
      const sequences = prompts.map(({ tokenIds }) => session.start(tokenIds))
      const rows = sequences.map(sequence => sampled(session, sequence, {}))
      const step = await session.step(rows)
      const { counts, tokenIds } = await drawFrom(subject, session, rows, step)
      session.free(...sequences)
      expectEqual(counts, [1, 1, 1], 'counts')
      expectEqual(
        tokenIds,
        prompts.flatMap(({ greedyTokenIds }) => greedyTokenIds),
        'tokens',
      )
      expectEqual(
        step.logits.map(row => largestIndex(row)),
        tokenIds,
        'largest logits',
      )
      return undefined
    },
  },
]
