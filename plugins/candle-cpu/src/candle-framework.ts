// The framework adapter of candle on the CPU: tensors in host memory, one device, one rank.

import {
  type Device,
  type DType,
  type DTypeName,
  type FloatInfo,
  type Framework,
  InvalidArgumentError,
  isDTypeName,
  itemSizeOf,
  type MemoryInfo,
  NotSupportedError,
  narrowWindow,
  type ProcessGroupOptions,
  type ReduceOperation,
  type Tensor,
  type TensorOptions,
  type TypedArray,
  viewWindow,
} from 'quire-llm/plugin'
import type { MemoryAccount } from './candle-host.js'
import { cpu, HostTensor, nativeOf } from './host-tensor.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

const floatInfos: Readonly<Partial<Record<DTypeName, FloatInfo>>> = {
  float32: {
    bits: 32,
    eps: 2 ** -23,
    max: (2 - 2 ** -23) * 2 ** 127,
    min: -(2 - 2 ** -23) * 2 ** 127,
    tiny: 2 ** -126,
  },
  float16: { bits: 16, eps: 2 ** -10, max: 65504, min: -65504, tiny: 2 ** -14 },
  bfloat16: { bits: 16, eps: 2 ** -7, max: (2 - 2 ** -7) * 2 ** 127, min: -(2 - 2 ** -7) * 2 ** 127, tiny: 2 ** -126 },
}

export class CandleFramework implements Framework {
  readonly name = 'candle'
  readonly half: DType = { name: 'float16', itemSize: 2 }
  readonly float: DType = { name: 'float32', itemSize: 4 }
  readonly bfloat16: DType = { name: 'bfloat16', itemSize: 2 }
  readonly #native: Native
  readonly #memory: MemoryAccount

  constructor(native: Native, memory: MemoryAccount) {
    this.#native = native
    this.#memory = memory
  }

  tensor(data: TypedArray | readonly number[], options: TensorOptions): Tensor {
    this.#checkOptions(options)
    if (isBits(data, options.dtype)) {
      const made = new HostTensor(unwrap(this.#native.NativeTensor.empty([data.length], options.dtype)))
      unwrap(made.native.copyFromHost(bytesOf(data)))
      return made
    }
    return new HostTensor(
      unwrap(
        this.#native.NativeTensor.fromNumbers(Float64Array.from(data as ArrayLike<number>, Number), options.dtype),
      ),
    )
  }

  zeros(shape: readonly number[], options: TensorOptions): Tensor {
    this.#checkOptions(options)
    return new HostTensor(unwrap(this.#native.NativeTensor.zeros([...shape], options.dtype)))
  }

  empty(shape: readonly number[], options: TensorOptions): Tensor {
    this.#checkOptions(options)
    return new HostTensor(unwrap(this.#native.NativeTensor.empty([...shape], options.dtype)))
  }

  narrow(tensor: Tensor, dim: number, start: number, length: number): Tensor {
    const native = nativeOf(tensor)
    const window = narrowWindow(tensor, dim, start, length)
    const axis = dim < 0 ? dim + tensor.shape.length : dim
    return new HostTensor(unwrap(native.narrow(axis, start, length)), window)
  }

  view(tensor: Tensor, shape: readonly number[]): Tensor {
    const native = nativeOf(tensor)
    const window = viewWindow(tensor, shape)
    return new HostTensor(unwrap(native.view([...window.shape])), window)
  }

  async copyFromHost(target: Tensor, source: TypedArray): Promise<void> {
    unwrap(nativeOf(target).copyFromHost(bytesOf(source)))
  }

  async copyToHost(source: Tensor, target: TypedArray): Promise<void> {
    unwrap(nativeOf(source).copyToHost(bytesOf(target)))
  }

  async copyBlocks(tensor: Tensor, pairs: Int32Array): Promise<void> {
    unwrap(nativeOf(tensor).copyBlocks(pairs))
  }

  dtype(name: DTypeName): DType {
    if (!isDTypeName(name)) throw this.#lacks(`dtype ${String(name)}`)
    return { name, itemSize: itemSizeOf(name) }
  }

  itemSize(name: DTypeName): number {
    return this.dtype(name).itemSize
  }

  finfo(name: DTypeName): FloatInfo {
    const found = floatInfos[name]
    if (found === undefined) throw new InvalidArgumentError('name', `${name} is not a floating-point type.`, name)
    return found
  }

  /** float16 has no arithmetic here: a checkpoint in it is computed in float32, which holds all its values. */
  resolveDType(asked: 'auto' | DTypeName, checkpoint: DTypeName, _device: Device): DTypeName {
    if (asked === 'auto') return checkpoint === 'bfloat16' ? 'bfloat16' : 'float32'
    if (asked === 'float32' || asked === 'bfloat16') return asked
    throw new InvalidArgumentError(
      'dtype',
      `candle computes in float32 or bfloat16 on the CPU, not in ${asked}.`,
      asked,
    )
  }

  deviceCount(): number {
    return 1
  }

  setDevice(device: Device): void {
    if (device.kind !== 'cpu' || device.index !== 0) {
      throw new NotSupportedError(`candle has no device ${device.kind}:${device.index} in this build; it has cpu:0.`)
    }
  }

  currentDevice(): Device {
    return cpu
  }

  /** Every call is complete when it returns. */
  async synchronize(): Promise<void> {}

  async memoryInfo(device: Device = cpu): Promise<MemoryInfo> {
    this.setDevice(device)
    return this.#memory.info()
  }

  async peakMemory(): Promise<number> {
    return this.#memory.peakBytes()
  }

  async resetPeakMemory(): Promise<void> {
    if (!this.#memory.resetPeak()) throw this.#lacks('resetPeakMemory')
  }

  /** Freed memory goes back to the system at once. */
  async emptyCache(): Promise<void> {}

  isPinMemoryAvailable(): boolean {
    return false
  }

  /** Nothing here draws random numbers: the sampler is keyed by each request's own seed. */
  manualSeed(_seed: bigint): void {}

  async initProcessGroup({ worldSize }: ProcessGroupOptions): Promise<void> {
    if (worldSize !== 1) throw this.#lacks(`initProcessGroup with worldSize ${worldSize}`)
  }

  /** With one rank, the sum over ranks is the tensor itself. */
  async allReduce(tensor: Tensor, _operation?: ReduceOperation): Promise<Tensor> {
    return tensor
  }

  async allGather(tensor: Tensor, _dim?: number): Promise<Tensor> {
    return tensor
  }

  async broadcast(tensor: Tensor, source: number): Promise<Tensor> {
    if (source !== 0)
      throw new InvalidArgumentError('source', `There is one rank, 0; ${source} cannot broadcast.`, source)
    return tensor
  }

  async barrier(): Promise<void> {}

  async destroyProcessGroup(): Promise<void> {}

  #checkOptions({ device, pinMemory }: TensorOptions): void {
    this.setDevice(device)
    if (pinMemory === true) throw this.#lacks('pinned memory')
  }

  #lacks(call: string): NotSupportedError {
    return new NotSupportedError(`The framework candle has no ${call} on the CPU.`, {
      details: { framework: this.name, call },
    })
  }
}

/** True if `data` already holds the bytes of `dtype`: half types as bits, int64 as BigInt64Array. */
function isBits(data: TypedArray | readonly number[], dtype: DTypeName): data is TypedArray {
  if (data instanceof Uint16Array) return dtype === 'float16' || dtype === 'bfloat16'
  return data instanceof BigInt64Array && dtype === 'int64'
}
