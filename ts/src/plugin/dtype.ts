// The element types that cross the plugin contract, and the JavaScript arrays that carry them.

/** Names as PyTorch has them. */
export type DTypeName = 'float32' | 'float16' | 'bfloat16' | 'int8' | 'uint8' | 'int32' | 'int64' | 'bool'

/** One element type of a framework. */
export interface DType {
  /** PyTorch's name of the type. */
  readonly name: DTypeName
  /** Bytes per element. */
  readonly itemSize: number
}

/** Limits of a floating-point type, as `torch.finfo` gives them. */
export interface FloatInfo {
  /** Bits of an element. */
  readonly bits: number
  /** Distance from 1 to the next larger number. */
  readonly eps: number
  /** Largest finite number. */
  readonly max: number
  /** Smallest finite number: `-max`. */
  readonly min: number
  /** Smallest positive normal number. */
  readonly tiny: number
}

/** Host data. Half types travel as their bits in a Uint16Array, int64 as a BigInt64Array. */
export type TypedArray = Float32Array | Uint16Array | Int8Array | Uint8Array | Int32Array | BigInt64Array

const itemSizes: Readonly<Record<DTypeName, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
}

/** Bytes per element of `name`. */
export function itemSizeOf(name: DTypeName): number {
  return itemSizes[name]
}

/** True for a name that is one of {@link DTypeName}. */
export function isDTypeName(name: string): name is DTypeName {
  return Object.hasOwn(itemSizes, name)
}
