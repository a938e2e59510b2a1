// Loading: what a runner says of a model, the types that it computes in, the types that weights are stored in, block sizes.

import type { DTypeName } from '../../plugin/dtype.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expect, expectEqual } from '../expectations.js'
import { expectLogits, randomTokens, show } from '../logits-check.js'
import type { PluginSubject, TinyModelOptions } from '../plugin-subject.js'
import { keeps } from './dtype-cases.js'

const group = 'runner'

/** A prompt of two chunks and two more tokens, against the reference. */
async function tryModel(subject: PluginSubject, options: TinyModelOptions): Promise<string> {
  const { session, checkpoint, tolerance } = await subject.tinyModel(options)
  const prompts = [22, 5].map((length, index) => randomTokens(80 + index, length, checkpoint.config.vocabSize))
  const sequences = prompts.map(tokenIds => session.start(tokenIds))
  const found = await session.follow(sequences, [[9, 11, 1, 1], [3, 0, 2]]) // biome-ignore format: one line is the plan
  session.free(...sequences)
  const errors = prompts.map((tokenIds, index) => {
    return expectLogits(found[index] ?? [], checkpoint.reference.logits(tokenIds), tolerance, `sequence ${index}`)
  })
  return `largest error ${show(Math.max(...errors))}`
}

function computeCase(dtype: DTypeName): ConformanceCase {
  return {
    name: `computes in ${dtype}`,
    group,
    run: async subject => {
      if (!subject.capabilities.dtypes.includes(dtype)) skip(`capabilities.dtypes lacks ${dtype}`)
      if (!keeps(await subject.framework(), dtype, subject.device)) skip(`this device has no ${dtype}`)
      const told = await tryModel(subject, { dtype })
      const { session } = await subject.tinyModel({ dtype })
      expectEqual(session.info.dtype, dtype, 'dtype of the model')
      return told
    },
  }
}

function storedCase(dtype: 'float16' | 'bfloat16'): ConformanceCase {
  return {
    name: `weights stored as ${dtype}`,
    group,
    run: subject => tryModel(subject, { checkpoint: { dtype } }),
  }
}

const blockSizes = [1, 3, 16] as const

export const modelCases: readonly ConformanceCase[] = [
  {
    name: 'says what it has loaded',
    group,
    run: async subject => {
      const { session, checkpoint } = await subject.tinyModel()
      const { config, architecture, modelType, numParameters } = checkpoint
      // What a runner can embed is its own matter, and so is what its products are.
      const { weightsBytes, dtype, generates = true, pooling: _, productWork: __, ...told } = session.info
      expectEqual(generates, true, 'generates')
      expectEqual(
        told,
        {
          architecture,
          modelType,
          vocabSize: config.vocabSize,
          maxPositionEmbeddings: config.maxPositionEmbeddings,
          hiddenSize: config.hiddenSize,
          numLayers: config.numLayers,
          numHeads: config.numHeads,
          numKvHeads: config.numKvHeads,
          headDim: config.headDim,
          numParameters,
          eosTokenIds: [2],
          slidingWindow: null,
          generationDefaults: { temperature: 0.5 },
        },
        'model info',
      )
      expectEqual(dtype, subject.dtype, 'dtype')
      const expected = numParameters * session.framework.itemSize(dtype)
      expect(weightsBytes >= expected / 2 && weightsBytes < 4 * expected, `weightsBytes is ${weightsBytes}`)
      return undefined
    },
  },
  {
    name: 'tells the progress of loading and warming up',
    group,
    run: async subject => {
      const { session } = await subject.tinyModel()
      for (const [what, fractions] of Object.entries(session.progress)) {
        const sound = fractions.every((fraction, index) => {
          return fraction >= (fractions[index - 1] ?? 0) && fraction <= 1
        })
        expect(sound, `fractions of ${what}, which rise from 0 to 1: ${fractions}`)
      }
      expect(session.progress.load.length > 0, 'loading told nothing')
      return undefined
    },
  },
  {
    name: 'says what memory it will need',
    group,
    run: async subject => {
      const { session } = await subject.tinyModel()
      const { weightsBytes, activationBytes } = session.profile
      expect(Number.isSafeInteger(weightsBytes) && weightsBytes > 0, `weightsBytes is ${weightsBytes}`)
      expect(Number.isSafeInteger(activationBytes) && activationBytes > 0, `activationBytes is ${activationBytes}`)
      return `weights ${weightsBytes} bytes, activations ${activationBytes} bytes`
    },
  },
  ...(['float32', 'float16', 'bfloat16'] as const).map(computeCase),
  storedCase('float16'),
  storedCase('bfloat16'),
  {
    name: 'auto computes in the type that the framework resolves it to',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const found: string[] = []
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const { session } = await subject.tinyModel({ checkpoint: { dtype }, dtype: 'auto' })
        expectEqual(session.info.dtype, framework.resolveDType('auto', dtype, subject.device), `auto for ${dtype}`)
        found.push(`${dtype} -> ${session.info.dtype}`)
      }
      return found.join(', ')
    },
  },
  {
    name: 'block sizes',
    group,
    run: async subject => {
      const { blockSizes: paged } = subject.capabilities
      const sizes = paged === 'any' ? blockSizes : paged.filter(size => size <= 64)
      for (const blockSize of sizes) await tryModel(subject, { blockSize })
      return sizes.join(', ')
    },
  },
  {
    name: 'every query head with keys of its own, embeddings tied',
    group,
    run: subject => {
      const config = { numHeads: 2, numKvHeads: 2, tiedEmbeddings: true, numLayers: 1 }
      return tryModel(subject, { checkpoint: { architecture: 'LlamaForCausalLM', config } })
    },
  },
  {
    name: 'learned positions, biases and LayerNorm',
    group,
    run: subject => tryModel(subject, { checkpoint: { architecture: 'GPT2LMHeadModel' } }),
  },
]
