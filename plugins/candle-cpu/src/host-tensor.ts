// A tensor of the candle framework: a handle of memory that Rust owns.

import {
  contiguousStrides,
  type Device,
  type DTypeName,
  InvalidArgumentError,
  type Tensor,
  type Window,
} from 'quire-llm/plugin'
import type { NativeTensor } from '../native/native.js'

export const cpu: Device = Object.freeze({ kind: 'cpu', index: 0 })

export class HostTensor implements Tensor {
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly offset: number
  readonly dtype: DTypeName
  readonly device = cpu
  readonly native: NativeTensor

  /** @param window where the elements of `native` lie; absent = all of an allocation, in order. */
  constructor(native: NativeTensor, window?: Window) {
    this.native = native
    this.shape = Object.freeze(native.shape())
    this.strides = window?.strides ?? contiguousStrides(this.shape)
    this.offset = window?.offset ?? 0
    this.dtype = native.dtype() as DTypeName
  }
}

/** The memory behind a tensor of this framework. @throws InvalidArgumentError for another framework's. */
export function nativeOf(tensor: Tensor): NativeTensor {
  if (tensor instanceof HostTensor) return tensor.native
  throw new InvalidArgumentError('tensor', 'The tensor was not made by the candle framework.', tensor)
}
