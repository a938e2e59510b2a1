// Vectors of sequences, for runners that have `embed`: each pooling against the reference, alone and in company, whole and in
// parts, between steps and without a trace in the KV cache.

import type { EmbedBatch, PoolingKind } from '../../plugin/model-runner.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expect, expectEqual } from '../expectations.js'
import { expectLogits, randomTokens, show } from '../logits-check.js'
import type { ModelSession } from '../model-session.js'
import type { PluginSubject, TinyModel } from '../plugin-subject.js'
import { pooled, poolingKinds } from '../pooled-reference.js'
import type { TinyArchitecture } from '../tiny-models.js'

const group = 'embeddings'

/** A number that no model gives, behind what a call may write. */
const SENTINEL = -12_345

function embeddingCase(
  name: string,
  run: (model: TinyModel, subject: PluginSubject) => Promise<string | undefined>,
): ConformanceCase {
  return { name, group, run: async subject => run(await embeddingModel(subject), subject) }
}

async function embeddingModel(subject: PluginSubject, architecture?: TinyArchitecture): Promise<TinyModel> {
  if (!subject.capabilities.pooling) skip('capabilities.pooling is not set: the runner has no embed')
  return await subject.tinyModel(architecture === undefined ? {} : { checkpoint: { architecture } })
}

/** Vectors of sequences in one call. @throws AssertionError if the runner writes beyond them. */
async function embed(
  { runner, info }: ModelSession,
  sequences: readonly (readonly number[])[],
  output: PoolingKind,
  part?: EmbedBatch['part'],
): Promise<Float32Array[]> {
  const startLoc = new Int32Array(sequences.length + 1)
  for (const [index, { length }] of sequences.entries()) startLoc[index + 1] = (startLoc[index] as number) + length
  const { embeddingSize } = info.pooling ?? { embeddingSize: 0 }
  const out = new Float32Array(sequences.length * embeddingSize + 3).fill(SENTINEL)
  const batch = { tokenIds: Int32Array.from(sequences.flat()), startLoc, output, ...(part !== undefined && { part }) }
  expect(runner.embed !== undefined, 'capabilities.pooling is set, and there is no embed')
  await runner.embed(batch, out)
  expectEqual(
    out.subarray(sequences.length * embeddingSize),
    [SENTINEL, SENTINEL, SENTINEL],
    'numbers behind the vectors',
  )
  return sequences.map((_, index) => out.slice(index * embeddingSize, (index + 1) * embeddingSize))
}

function prompts(seed: number, lengths: readonly number[], { checkpoint }: TinyModel): number[][] {
  return lengths.map((length, index) => randomTokens(seed + index, length, checkpoint.config.vocabSize))
}

/** The largest error, as a share of the largest number of a vector. */
function expectVectors(
  found: readonly Float32Array[],
  sequences: readonly (readonly number[])[],
  output: PoolingKind,
  { checkpoint, tolerance }: TinyModel,
): number {
  const expected = sequences.map(tokenIds => pooled(checkpoint.reference.hidden(tokenIds), output))
  return expectLogits(found, expected, tolerance, `vectors by ${output}`)
}

function poolingCase(output: PoolingKind): ConformanceCase {
  return embeddingCase(`vectors by ${output}, several sequences in a call`, async model => {
    const sequences = prompts(300, [7, 1, 19, 4], model)
    const found = await embed(model.session, sequences, output)
    return `largest error ${show(expectVectors(found, sequences, output, model))}`
  })
}

export const embeddingCases: readonly ConformanceCase[] = [
  embeddingCase('says what it embeds', async ({ session, checkpoint }) => {
    const { pooling } = session.info
    expect(pooling !== undefined, 'capabilities.pooling is set, and the model says nothing of it')
    const { kind, embeddingSize, maxTokens, dimensions, scores } = pooling
    expect(poolingKinds.includes(kind), `kind is ${kind}`)
    expectEqual(embeddingSize, checkpoint.config.hiddenSize, 'embeddingSize')
    expect(maxTokens > 0 && maxTokens <= checkpoint.config.maxPositionEmbeddings, `maxTokens is ${maxTokens}`)
    expectEqual([...dimensions], [], 'dimensions that the checkpoint was trained for')
    expectEqual(scores, false, 'scores of a model without a classifier')
    return `${kind}, ${pooling.takesParts ? 'in parts' : 'whole'}`
  }),
  ...poolingKinds.map(poolingCase),
  {
    name: 'vectors of learned positions and LayerNorm',
    group,
    run: async subject => {
      const model = await embeddingModel(subject, 'GPT2LMHeadModel')
      const sequences = prompts(310, [12, 5], model)
      const found = await embed(model.session, sequences, 'mean')
      return `largest error ${show(expectVectors(found, sequences, 'mean', model))}`
    },
  },
  embeddingCase('a vector depends on nothing but its sequence', async model => {
    const [one = [], ...others] = prompts(320, [9, 30, 2, 17], model)
    const [alone] = await embed(model.session, [one], 'last')
    const [first] = await embed(model.session, [one, ...others], 'last')
    const last = (await embed(model.session, [...others, one], 'last')).at(-1)
    const [again] = await embed(model.session, [one], 'last')
    expectEqual(again, alone, 'the same call twice')
    const errors = [first, last].map(found => expectVectors([found as Float32Array], [one], 'last', model))
    expectLogits(
      [first, last] as Float32Array[],
      [alone, alone] as Float32Array[],
      model.tolerance,
      'in company and alone',
    )
    return `largest error ${show(Math.max(...errors))}`
  }),
  embeddingCase('a sequence in parts', async model => {
    const { session } = model
    if (!session.info.pooling?.takesParts) skip('the model takes sequences whole')
    const errors: number[] = []
    for (const output of ['last', 'mean', 'weightedMean'] as const) {
      const [sequence = [], begun = [], other = []] = prompts(330, [40, 20, 6], model)
      // A sequence that nobody ends: the next first part takes its place.
      await embed(session, [begun.slice(0, 9)], output, { numComputed: 0, numTokens: begun.length })
      let found: Float32Array[] = []
      let numComputed = 0
      for (const length of [16, 1, 23]) {
        const part = { numComputed, numTokens: sequence.length }
        found = await embed(session, [sequence.slice(numComputed, numComputed + length)], output, part)
        numComputed += length
        if (length === 1) expectVectors(await embed(session, [other], output), [other], output, model)
      }
      errors.push(expectVectors(found, [sequence], output, model))
    }
    return `largest error ${show(Math.max(...errors))}`
  }),
  embeddingCase('between steps, without a trace in the KV cache', async model => {
    const { session, checkpoint, tolerance } = model
    const [prompt = [], ...others] = prompts(340, [21, 13, 5], model)
    const sequence = session.start(prompt)
    const before = await session.follow([sequence], [[12]])
    const cached = await session.readCache(tensor => tensor)
    const found = await embed(session, others, 'mean')
    expectVectors(found, others, 'mean', model)
    expectEqual(await session.readCache(tensor => tensor), cached, 'the KV cache')
    const after = await session.follow([sequence], [[9]])
    session.free(sequence)
    const logits = [...(before[0] ?? []), ...(after[0] ?? [])]
    return `largest error ${show(expectLogits(logits, checkpoint.reference.logits(prompt), tolerance, 'steps around it'))}`
  }),
  embeddingCase('the longest sequence', async model => {
    const { maxTokens = 0 } = model.session.info.pooling ?? {}
    const sequences = prompts(350, [maxTokens], model)
    const found = await embed(model.session, sequences, 'last')
    return `${maxTokens} tokens, largest error ${show(expectVectors(found, sequences, 'last', model))}`
  }),
]
