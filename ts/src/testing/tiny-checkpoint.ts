// Writes a small random model as a directory in Hugging Face's layout, so that a plugin can be tried without a download.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { elementsOf } from '../plugin/window.js'
import { encode } from './host-array.js'
import { type DecoderSizes, ReferenceModel, type Weight } from './reference-model.js'
import { safetensorsFile } from './safetensors-file.js'
import { seededRandom } from './seeded-random.js'
import { type TinyArchitecture, type TinySizes, tinyModels } from './tiny-models.js'

/** What checkpoint is written. */
export interface TinyCheckpointOptions {
  /** Default 'LlamaForCausalLM'. */
  readonly architecture?: TinyArchitecture
  /** The type that weights are stored in. All of them hold the same values. Default 'float32'. */
  readonly dtype?: 'float32' | 'float16' | 'bfloat16'
  /** Seed of the weights. Default 1. */
  readonly seed?: number
  /** Other sizes than the usual ones. */
  readonly config?: TinySizes
}

/** A checkpoint on disk, and the model that says what its logits are. */
export interface TinyCheckpoint {
  /** The directory. */
  readonly path: string
  /** As config.json has it. */
  readonly architecture: TinyArchitecture
  /** As config.json has it. */
  readonly modelType: string
  /** The sizes that were written. */
  readonly config: DecoderSizes
  /** Number of weights. */
  readonly numParameters: number
  /** The same weights, computed in double precision. */
  readonly reference: ReferenceModel
}

const storedNames = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const

/** Writes config.json, generation_config.json and model.safetensors into `path`, which is made. */
export async function writeTinyCheckpoint(path: string, options: TinyCheckpointOptions = {}): Promise<TinyCheckpoint> {
  const { architecture = 'LlamaForCausalLM', dtype = 'float32', seed = 1 } = options
  const { config, modelType, json, shapes, start } = tinyModels[architecture](options.config ?? {})
  const random = seededRandom(seed)
  const weights = new Map<string, Weight>()
  for (const [name, shape] of shapes) {
    const values = Float64Array.from({ length: elementsOf(shape) }, () => randomWeight(name, random))
    weights.set(name, { shape, values })
  }
  const description = {
    architectures: [architecture],
    model_type: modelType,
    ...json,
    bos_token_id: 1,
    eos_token_id: 2,
    torch_dtype: dtype,
  }
  const tensors = Array.from(weights, ([name, { shape, values }]) => {
    return { name, dtype: storedNames[dtype], shape, bytes: bytesOf(encode(dtype, Array.from(values))) }
  })
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'config.json'), JSON.stringify(description, null, 2))
  await writeFile(join(path, 'generation_config.json'), JSON.stringify({ eos_token_id: 2, temperature: 0.5 }))
  await writeFile(join(path, 'model.safetensors'), safetensorsFile(tensors))
  const numParameters = Array.from(weights.values()).reduce((total, { values }) => total + values.length, 0)
  const reference = new ReferenceModel(() => start(weights))
  return { path, architecture, modelType, config, numParameters, reference }
}

/** Multiples of a power of two with seven bits: float32, float16 and bfloat16 hold them alike. */
function randomWeight(name: string, random: () => number): number {
  const step = Math.round((random() * 2 - 1) * 64) // -64 ..= 64
  if (/(norm|ln_\w)\.weight$/.test(name)) return 1 + step / 128
  return /(embed_tokens|wte|wpe)\.weight$/.test(name) ? step / 64 : step / 256
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
