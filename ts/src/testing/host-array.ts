// Host arrays of every element type, from numbers and back. Half types are their bits.

import type { DTypeName, TypedArray } from '../plugin/dtype.js'

/** Zeroed host memory for `length` elements. */
export function hostArray(dtype: DTypeName, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length)
    case 'float16':
    case 'bfloat16':
      return new Uint16Array(length)
    case 'int8':
      return new Int8Array(length)
    case 'uint8':
    case 'bool':
      return new Uint8Array(length)
    case 'int32':
      return new Int32Array(length)
    case 'int64':
      return new BigInt64Array(length)
  }
}

/** `values` as elements of `dtype`, which must hold them exactly. */
export function encode(dtype: DTypeName, values: readonly number[]): TypedArray {
  if (dtype === 'int64') return BigInt64Array.from(values, BigInt)
  const array = hostArray(dtype, values.length) as Exclude<TypedArray, BigInt64Array>
  const bits = dtype === 'float16' ? float16Bits : dtype === 'bfloat16' ? bfloat16Bits : (value: number) => value
  for (const [index, value] of values.entries()) array[index] = bits(value)
  return array
}

/** The numbers that elements of `dtype` stand for. */
export function decode(dtype: DTypeName, array: TypedArray): number[] {
  const value = dtype === 'float16' ? ofFloat16 : dtype === 'bfloat16' ? ofBfloat16 : (bits: number) => bits
  return Array.from(array as ArrayLike<number | bigint>, each => value(Number(each)))
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

function bfloat16Bits(value: number): number {
  float[0] = value
  return (word[0] as number) >>> 16
}

function ofBfloat16(bits: number): number {
  word[0] = bits << 16
  return float[0] as number
}

/** Bits of a value that binary16 holds exactly. */
function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size === 0) return sign
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  const mantissa = size * 2 ** (10 - exponent)
  return sign | (mantissa < 1024 ? mantissa : ((exponent + 15) << 10) + mantissa - 1024)
}

function ofFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25))
}
