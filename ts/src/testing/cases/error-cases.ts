// What is wrong is refused by a typed error, and nothing is broken by it: models that are missing, cut off or hostile; calls
// after the end; a framework that is closed and opened again.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ErrorCode } from '../../errors.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expectCode, expectEqual } from '../expectations.js'
import { expectLogits, randomTokens } from '../logits-check.js'
import type { ModelSession } from '../model-session.js'
import type { PluginSubject } from '../plugin-subject.js'
import { withHeader } from '../safetensors-file.js'

const group = 'errors'

/** The files of a checkpoint, to be broken; null = the file is not there. */
interface CheckpointFiles {
  config: string | null
  weights: Buffer | null
}

interface BrokenModel {
  readonly name: string
  readonly codes: readonly ErrorCode[]
  readonly break: (files: CheckpointFiles) => void
}

const notFound = ['ERR_MODEL_NOT_FOUND', 'ERR_MODEL_INVALID'] as const
const invalid = ['ERR_MODEL_INVALID'] as const
const impossible = ['ERR_MODEL_INVALID', 'ERR_MODEL_UNSUPPORTED', 'ERR_OUT_OF_MEMORY'] as const

function configWith(name: string, codes: readonly ErrorCode[], fields: Readonly<Record<string, unknown>>): BrokenModel {
  return {
    name,
    codes,
    break: files => {
      files.config = JSON.stringify({ ...JSON.parse(files.config as string), ...fields })
    },
  }
}

function weightsWith(name: string, change: (file: Buffer) => Buffer): BrokenModel {
  return {
    name,
    codes: invalid,
    break: files => {
      files.weights = change(files.weights as Buffer)
    },
  }
}

const NORM = 'model.norm.weight'

const brokenModels: readonly BrokenModel[] = [
  {
    name: 'no config.json',
    codes: notFound,
    break: files => {
      files.config = null
    },
  },
  {
    name: 'a config.json that is no JSON',
    codes: invalid,
    break: files => {
      files.config = '{"architectures": ["Llama'
    },
  },
  {
    name: 'a config.json that is a list',
    codes: impossible,
    break: files => {
      files.config = '[1, 2]'
    },
  },
  configWith('an architecture that nobody has', ['ERR_MODEL_UNSUPPORTED'], {
    architectures: ['NobodysForCausalLM'],
    model_type: 'nobodys',
  }),
  configWith('no heads', impossible, { num_attention_heads: 0 }),
  configWith('a negative size', impossible, { hidden_size: -64 }),
  configWith('a size that is no number', impossible, { vocab_size: 'many' }),
  configWith('a size beyond all memory', impossible, { hidden_size: 2 ** 40 }),
  configWith('more layers than weights', invalid, { num_hidden_layers: 7 }),
  {
    name: 'no weights',
    codes: notFound,
    break: files => {
      files.weights = null
    },
  },
  weightsWith('weights of no bytes', () => Buffer.alloc(0)),
  weightsWith('weights that end in the header', file => file.subarray(0, 100)),
  weightsWith('weights that end in a tensor', file => file.subarray(0, file.length - 4 * 97)),
  weightsWith('a header of 2^60 bytes', file => {
    const copy = Buffer.from(file)
    copy.writeBigUInt64LE(2n ** 60n)
    return copy
  }),
  weightsWith('a header that is no JSON', file => Buffer.from(file).fill('x', 8, 24)),
  weightsWith('a tensor beyond the end', file =>
    withHeader(file, header => {
      const entry = header[NORM] as (typeof header)[string]
      entry.data_offsets = [entry.data_offsets[0] + 2 ** 40, entry.data_offsets[1] + 2 ** 40]
    }),
  ),
  weightsWith('a tensor whose bytes are fewer than its shape has', file =>
    withHeader(file, header => {
      const entry = header[NORM] as (typeof header)[string]
      entry.data_offsets = [entry.data_offsets[0], entry.data_offsets[1] - 4]
    }),
  ),
  weightsWith('a tensor that is missing', file =>
    withHeader(file, header => {
      delete header[NORM]
    }),
  ),
  weightsWith('a tensor of another shape', file =>
    withHeader(file, header => {
      const entry = header['model.layers.0.self_attn.q_proj.weight'] as (typeof header)[string]
      entry.shape = entry.shape.toReversed()
    }),
  ),
]

function brokenCase(broken: BrokenModel, index: number): ConformanceCase {
  return {
    name: `a model with ${broken.name}`,
    group,
    run: async subject => {
      const sound = await subject.checkpoint({ architecture: 'LlamaForCausalLM' })
      const files: CheckpointFiles = {
        config: await readFile(join(sound.path, 'config.json'), 'utf8'),
        weights: await readFile(join(sound.path, 'model.safetensors')),
      }
      broken.break(files)
      const path = join(subject.folder, `broken-${index}`)
      await mkdir(path)
      if (files.config !== null) await writeFile(join(path, 'config.json'), files.config)
      if (files.weights !== null) await writeFile(join(path, 'model.safetensors'), files.weights)
      await expectCode(() => openBroken(subject, path), broken.codes, 'loading it')
      return undefined
    },
  }
}

/** As far as the cache, with limits of its own: a config that lies must not decide them. */
async function openBroken(subject: PluginSubject, path: string): Promise<void> {
  const checkpoint = await subject.checkpoint({ architecture: 'LlamaForCausalLM' })
  await subject.model({ ...subject.sessionOptions(checkpoint, subject.target()), path })
}

/** Logits of a fixed prompt. */
async function tryPrompt(session: ModelSession, vocabSize: number): Promise<readonly Float32Array[]> {
  const sequence = session.start(randomTokens(95, 9, vocabSize))
  const [found] = await session.follow([sequence], [[6, 3]])
  session.free(sequence)
  return found ?? []
}

export const errorCases: readonly ConformanceCase[] = [
  {
    name: 'a model that is not there',
    group,
    run: async subject => {
      await expectCode(() => openBroken(subject, join(subject.folder, 'nowhere')), notFound, 'loading it')
      return undefined
    },
  },
  ...brokenModels.map(brokenCase),
  {
    name: 'after all that, a sound model runs',
    group,
    run: async subject => {
      const { session, checkpoint, tolerance } = await subject.tinyModel()
      const { vocabSize } = checkpoint.config
      const expected = checkpoint.reference.logits(randomTokens(95, 9, vocabSize))
      expectLogits(await tryPrompt(session, vocabSize), expected, tolerance, 'logits')
      return undefined
    },
  },
  {
    name: 'a type that the runner lacks',
    group,
    run: async subject => {
      const { dtypes } = subject.capabilities
      const lacking = (['float16', 'bfloat16', 'float32', 'int8'] as const).find(name => !dtypes.includes(name))
      if (lacking === undefined) skip('it has every type')
      const checkpoint = await subject.checkpoint()
      await expectCode(
        () => subject.model(subject.sessionOptions(checkpoint, subject.target({ dtype: lacking }))),
        ['ERR_INVALID_ARGUMENT', 'ERR_NOT_SUPPORTED', 'ERR_MODEL_UNSUPPORTED'],
        lacking,
      )
      return lacking
    },
  },
  {
    name: 'a step after close, and close again',
    group,
    run: async subject => {
      const { session, checkpoint } = await subject.tinyModel()
      const sequence = session.start(randomTokens(96, 3, checkpoint.config.vocabSize))
      const row = session.row(sequence, 3)
      await subject.closeModel()
      await expectCode(() => session.step([row]), ['ERR_CLOSED'], 'a step')
      await session.close()
      return undefined
    },
  },
  {
    name: 'closed and opened again: the same bits',
    group,
    run: async subject => {
      const { session, checkpoint } = await subject.tinyModel()
      const before = await tryPrompt(session, checkpoint.config.vocabSize)
      await subject.closeFramework()
      const again = await subject.tinyModel()
      expectEqual(await tryPrompt(again.session, checkpoint.config.vocabSize), before, 'logits')
      return undefined
    },
  },
]
