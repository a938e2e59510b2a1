// A tensor of the candle framework: a handle of memory that Rust owns.

import { type Device, type DTypeName, InvalidArgumentError, type Tensor } from 'quire-llm/plugin'
import type { NativeTensor } from '../native/native.js'

export const cpu: Device = Object.freeze({ kind: 'cpu', index: 0 })

export class HostTensor implements Tensor {
  readonly shape: readonly number[]
  readonly dtype: DTypeName
  readonly device = cpu
  readonly native: NativeTensor

  constructor(native: NativeTensor) {
    this.native = native
    this.shape = Object.freeze(native.shape())
    this.dtype = native.dtype() as DTypeName
  }
}

/** The memory behind a tensor of this framework. @throws InvalidArgumentError for another framework's. */
export function nativeOf(tensor: Tensor): NativeTensor {
  if (tensor instanceof HostTensor) return tensor.native
  throw new InvalidArgumentError('tensor', 'The tensor was not made by the candle framework.', tensor)
}
