// How a runner uses its KV cache: blocks in any order, shared, copied, used before, strided; slots that are not to be written.

import type { Tensor } from '../../plugin/framework.js'
import { elementsOf } from '../../plugin/window.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { codeOf, expectEqual } from '../expectations.js'
import { expectLogits, randomTokens, show } from '../logits-check.js'
import type { ModelSession } from '../model-session.js'
import type { PluginSubject, TinyModel } from '../plugin-subject.js'
import { blockDimension } from './kv-cache-cases.js'

const group = 'kv cache'
/** Entries of the strided cache begin at multiples of this. */
const ALIGNMENT_BYTES = 256

function cacheCase(
  name: string,
  run: (model: TinyModel, subject: PluginSubject) => Promise<string | undefined>,
): ConformanceCase {
  return { name, group, run: async subject => run(await subject.tinyModel(), subject) }
}

/** One block of every layer, as numbers. */
function readBlock(session: ModelSession, block: number): Promise<number[][]> {
  return session.readCache((tensor, layer) => narrowToBlock(session, tensor, layer, block))
}

function narrowToBlock({ framework, spec }: ModelSession, tensor: Tensor, layer: number, block: number): Tensor {
  return framework.narrow(tensor, blockDimension(spec.layers[layer] as (typeof spec.layers)[0]), block, 1)
}

/** As many tokens as fill two blocks, or nearly the longest context. */
function twoBlocks({ limits }: ModelSession): number {
  return Math.min(2 * limits.blockSize, limits.maxModelLen - 8, limits.maxNumBatchedTokens)
}

export const cacheUseCases: readonly ConformanceCase[] = [
  cacheCase('blocks in any order, with what others left in them', async ({ session, checkpoint, tolerance }) => {
    const { vocabSize } = checkpoint.config
    const errors: number[] = []
    for (let round = 0; round < 3; round += 1) {
      session.reorderFreeBlocks(blocks =>
        round === 1 ? blocks.toReversed() : blocks.toSorted((a, b) => mix(a) - mix(b)),
      )
      const prompts = [19, 6, 23].map((length, index) => randomTokens(40 + 3 * round + index, length, vocabSize))
      const sequences = prompts.map(tokenIds => session.start(tokenIds))
      const found = await session.follow(sequences, [[18, 1], [2, 4], [0, 23]]) // biome-ignore format: one line is the plan
      session.free(...sequences)
      for (const [index, tokenIds] of prompts.entries()) {
        const expected = checkpoint.reference.logits(tokenIds)
        errors.push(expectLogits(found[index] ?? [], expected, tolerance, `round ${round}, sequence ${index}`))
      }
    }
    return `largest error ${show(Math.max(...errors))}`
  }),
  cacheCase('full blocks that sequences share', async ({ session, checkpoint, tolerance }) => {
    const { blockSize, maxModelLen } = session.limits
    if (blockSize + 5 > maxModelLen) skip(`a block of ${blockSize} slots is longer than the tiny model's context`)
    const { vocabSize } = checkpoint.config
    const prefix = randomTokens(50, blockSize, vocabSize)
    const first = session.start([...prefix, ...randomTokens(51, 5, vocabSize)])
    const other = session.start([...prefix, ...randomTokens(52, 4, vocabSize)])
    await session.follow([first], [[blockSize, 2]])
    other.blockTable.push(first.blockTable[0] as number)
    other.numComputed = blockSize
    const [ofFirst, ofOther] = await session.follow([first, other], [[3], [3, 1]]) // biome-ignore format: one line is the plan
    other.blockTable.shift()
    session.free(first, other)
    const { reference } = checkpoint
    expectLogits(ofFirst ?? [], reference.logits(first.tokenIds).slice(blockSize + 2), tolerance, 'the first')
    expectLogits(ofOther ?? [], reference.logits(other.tokenIds).slice(blockSize), tolerance, 'the one that shares')
    return undefined
  }),
  cacheCase('a block that another row of the same step writes', async ({ session, checkpoint, tolerance }) => {
    const { blockSize, maxModelLen, maxNumBatchedTokens } = session.limits
    if (blockSize + 5 > Math.min(maxModelLen, maxNumBatchedTokens - 5)) {
      skip(`a block of ${blockSize} slots and two rows more are longer than the tiny model takes`)
    }
    const { vocabSize } = checkpoint.config
    const prefix = randomTokens(56, blockSize, vocabSize)
    const sequences = [5, 4, 1].map((length, index) =>
      session.start([...prefix, ...randomTokens(57 + index, length, vocabSize)]),
    )
    const [first, ...others] = sequences as [(typeof sequences)[0], ...typeof sequences]
    const rows = [session.row(first, blockSize + 5, { logitsOf: [blockSize, blockSize + 5] })]
    for (const [index, other] of others.entries()) {
      other.blockTable.push(first.blockTable[0] as number)
      other.numComputed = blockSize
      const count = index === 0 ? 4 : 1
      rows.push(session.row(other, count, { logitsOf: [0, count] }))
    }
    const { logits } = await session.step(rows)
    for (const other of others) other.blockTable.shift()
    session.free(...sequences)
    const expected = sequences.flatMap(({ tokenIds }) => checkpoint.reference.logits(tokenIds).slice(blockSize))
    expectLogits(logits, expected, tolerance, 'tokens after a block that is written in their step')
    return undefined
  }),
  cacheCase('blocks that copyBlocks copied', async ({ session, checkpoint, tolerance }) => {
    const length = twoBlocks(session)
    const sequence = session.start(randomTokens(53, length + 3, checkpoint.config.vocabSize))
    await session.follow([sequence], [[length]])
    const originals = sequence.blockTable.splice(0)
    sequence.blockTable.push(...originals.map(() => session.takeBlock()))
    const copies = originals.flatMap((block, index) => [block, sequence.blockTable[index] as number])
    const erasures = originals.flatMap(block => [0, block])
    for (const tensor of session.cache) {
      await session.framework.copyBlocks(tensor, Int32Array.from(copies))
      await session.framework.copyBlocks(tensor, Int32Array.from(erasures))
    }
    const [found] = await session.follow([sequence], [[1, 2]])
    session.free(sequence, { ...sequence, blockTable: originals })
    const expected = checkpoint.reference.logits(sequence.tokenIds).slice(length)
    expectLogits(found ?? [], expected, tolerance, 'tokens after the copy')
    return undefined
  }),
  cacheCase('slots that are skipped are not written', async ({ session, checkpoint, tolerance }) => {
    const { vocabSize } = checkpoint.config
    const sequence = session.start(randomTokens(54, 10, vocabSize))
    await session.follow([sequence], [[10]])
    const before = await session.readCache()
    const again = {
      sequenceId: sequence.id,
      tokenIds: sequence.tokenIds.slice(9),
      numComputed: 9,
      blockTable: [...sequence.blockTable],
    }
    const stranger = session.start(randomTokens(55, 3, vocabSize))
    const { logits } = await session.step([
      session.row(stranger, 3, { skipsSlots: true }),
      { ...again, skipsSlots: true, logitsOf: [0, 1] },
    ])
    const after = await session.readCache()
    session.free(sequence, stranger)
    expectEqual(after, before, 'the cache')
    const expected = checkpoint.reference.logits(sequence.tokenIds).slice(9)
    expectLogits(logits, expected, tolerance, 'a token whose keys and values are there already')
    return undefined
  }),
  cacheCase('no batch touches block 0, padding included', async ({ session, checkpoint }) => {
    const { vocabSize } = checkpoint.config
    const sequences = [1, 5, 12].map((length, index) => session.start(randomTokens(60 + index, length, vocabSize)))
    const blockTableStride = Math.ceil(session.limits.maxModelLen / session.limits.blockSize)
    const before = await readBlock(session, 0)
    await session.follow(sequences, [[1], [2, 3], [7, 1, 1, 1, 1, 1]], { blockTableStride })
    session.free(...sequences)
    expectEqual(await readBlock(session, 0), before, 'block 0 of every layer')
    return undefined
  }),
  {
    name: 'a cache with room between its entries',
    group,
    run: async subject => {
      const sizes = { hiddenSize: 40, numHeads: 4, numKvHeads: 1, headDim: 10, intermediateSize: 48 }
      const checkpoint = await subject.checkpoint({ architecture: 'LlamaForCausalLM', config: sizes })
      const target = subject.target()
      const session = await openStrided(subject, { ...subject.sessionOptions(checkpoint, target) })
      const [tensor] = session.cache as [Tensor]
      const layer = session.spec.layers[0] as (typeof session.spec.layers)[0]
      const entryBytes = elementsOf(layer.shape(1).slice(2)) * session.framework.itemSize(layer.dtype)
      const prompts = [17, 30].map((length, index) => randomTokens(70 + index, length, checkpoint.config.vocabSize))
      const sequences = prompts.map(tokenIds => session.start(tokenIds))
      const found = await session.follow(sequences, [[9, 7, 1], [30]]) // biome-ignore format: one line is the plan
      const tolerance = subject.toleranceOf(session.info.dtype)
      const errors = prompts.map((tokenIds, index) => {
        return expectLogits(found[index] ?? [], checkpoint.reference.logits(tokenIds), tolerance, `sequence ${index}`)
      })
      await subject.closeModel()
      const padding = entryBytes % ALIGNMENT_BYTES === 0 ? 'no room needed' : `strides [${tensor.strides}]`
      return `${padding}, largest error ${show(Math.max(...errors))}`
    },
  },
]

async function openStrided(
  subject: PluginSubject,
  options: ReturnType<PluginSubject['sessionOptions']>,
): Promise<ModelSession> {
  try {
    return await subject.model({ ...options, alignment: ALIGNMENT_BYTES })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ERR_MODEL_UNSUPPORTED') skip(`the runner has no such model: ${(error as Error).message}`)
    if (code === 'ERR_INVALID_ARGUMENT' || code === 'ERR_NOT_SUPPORTED') {
      skip(`the runner asks for no alignment, and refuses such a cache: ${(error as Error).message}`)
    }
    throw error
  }
}

/** A number for a block by which sorting shuffles. */
function mix(block: number): number {
  return (block * 7919) % 101
}
