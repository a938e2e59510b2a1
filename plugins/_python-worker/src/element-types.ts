// Limits of floating-point types, and the typed arrays in which elements travel.

import { type DTypeName, type FloatInfo, InvalidArgumentError, type TypedArray } from 'quire-llm/plugin'

const largest = (mantissaBits: number): number => (2 - 2 ** -mantissaBits) * 2 ** 127

const floatInfos: Readonly<Partial<Record<DTypeName, FloatInfo>>> = {
  float32: { bits: 32, eps: 2 ** -23, max: largest(23), min: -largest(23), tiny: 2 ** -126 },
  float16: { bits: 16, eps: 2 ** -10, max: 65504, min: -65504, tiny: 2 ** -14 },
  bfloat16: { bits: 16, eps: 2 ** -7, max: largest(7), min: -largest(7), tiny: 2 ** -126 },
}

/** @throws InvalidArgumentError for a type that is not floating point. */
export function floatInfo(name: DTypeName): FloatInfo {
  const found = floatInfos[name]
  if (found === undefined) throw new InvalidArgumentError('name', `${name} is not a floating-point type.`, name)
  return found
}

const carriers: Readonly<Record<DTypeName, string>> = {
  float32: 'Float32Array',
  float16: 'Uint16Array',
  bfloat16: 'Uint16Array',
  int8: 'Int8Array',
  uint8: 'Uint8Array',
  int32: 'Int32Array',
  int64: 'BigInt64Array',
  bool: 'Uint8Array',
}

/** True if `data` holds elements of `dtype` as they are: half types as their bits. */
export function carries(data: TypedArray | readonly number[], dtype: DTypeName): data is TypedArray {
  return ArrayBuffer.isView(data) && data.constructor.name === carriers[dtype]
}

/** @throws InvalidArgumentError if `data` is not the array that carries `length` elements of `dtype`. */
export function checkCarrier(data: TypedArray, dtype: DTypeName, length: number, parameter: string): void {
  if (carries(data, dtype) && data.length === length) return
  throw new InvalidArgumentError(
    parameter,
    `A tensor of ${length} elements of ${dtype} travels in a ${carriers[dtype]} of that length.`,
    `${data.constructor.name} of ${data.length}`,
  )
}

/** The bytes of a typed array, shared. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
