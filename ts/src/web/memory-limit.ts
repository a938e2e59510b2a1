// Whether a model fits into the memory of a WebAssembly module, found out before a byte of its weights is loaded.

import { OutOfMemoryError } from '../errors.js'
import type { MemoryInfo } from '../plugin/device.js'

/** What addresses of 32 bits reach, less what the allocator cannot use. */
export const WASM_LIMIT_BYTES = 4 * 2 ** 30 - 64 * 2 ** 20

/** Code, tokenizer, activations and a short context, beside the weights. */
const LEAST_BESIDE_BYTES = 64 * 2 ** 20

export interface FitInput {
  /** Of the files. */
  readonly weightsBytes: number
  /** config.json */
  readonly config: Readonly<Record<string, unknown>>
  readonly dtype: string
  /** Of a GGUF file. */
  readonly packedBytes?: number
  readonly numParameters?: number
  /** The option: `none` makes numbers of blocks. */
  readonly quantization: string
  readonly usedBytes: number
  readonly label: string
}

/** @throws OutOfMemoryError saying what is needed and what there is. */
export function checkFits(input: FitInput): void {
  const { weightsBytes, usedBytes, label } = input
  // The files are in memory as they are before the first tensor is packed, and each tensor goes when it is.
  const loadedBytes = Math.max(weightsBytes, packedBytes(input))
  const neededBytes = loadedBytes + LEAST_BESIDE_BYTES
  const availableBytes = WASM_LIMIT_BYTES - usedBytes
  if (neededBytes <= availableBytes) return
  const wider = loadedBytes > weightsBytes ? ` (${gib(weightsBytes)} of files, wider in memory)` : ''
  throw new OutOfMemoryError(
    `The weights at ${label} take ${gib(loadedBytes)}${wider}; WebAssembly memory has room for ${gib(availableBytes)}. Take a smaller model.`,
    { details: { neededBytes, availableBytes, weightsBytes } },
  )
}

function packedBytes({ weightsBytes, config, dtype, packedBytes, numParameters, quantization }: FitInput): number {
  if (packedBytes === undefined || numParameters === undefined) return weightsBytes * expansion(config, dtype)
  return quantization === 'none' ? numParameters * elementBytes(dtype) : packedBytes
}

/** Bytes of a number of a GGUF file that is in no block. */
export function elementBytes(dtype: string): number {
  return dtype === 'bfloat16' ? 2 : 4
}

/** The older name of `dtype` in config.json. */
const OLD_DTYPE = 'torch_dtype'

/** How much longer weights are in memory than in their files: float16 is computed in float32. */
function expansion(config: Readonly<Record<string, unknown>>, dtype: string): number {
  const stored = config.dtype ?? config[OLD_DTYPE]
  if (stored === 'float16') return dtype === 'bfloat16' ? 1 : 2
  return stored === 'bfloat16' && dtype === 'float32' ? 2 : 1
}

/** A device that does not say how much memory it has is taken for one with 4 GiB. */
const USUAL_DEVICE_GIB = 4

/** Memory for the KV cache, by default: a page may take a quarter of what the device says that it has. */
export function memoryOf(usedBytes: number, deviceGib: number | undefined): MemoryInfo {
  const share = ((deviceGib ?? USUAL_DEVICE_GIB) * 2 ** 30) / 4
  return { totalBytes: WASM_LIMIT_BYTES, freeBytes: Math.max(0, Math.min(WASM_LIMIT_BYTES - usedBytes, share)) }
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
