// The framework adapter: tensor, dtype, device and communication calls that the framework-neutral worker needs.
// PyTorch's semantics are the norm. It is never on the per-layer hot path; models belong to the runner.

import type { Device, MemoryInfo } from './device.js'
import type { DType, DTypeName, FloatInfo, TypedArray } from './dtype.js'
import type { Window } from './window.js'

/** An opaque tensor of one framework. Only the framework that made it may read it. */
export interface Tensor extends Window {
  readonly dtype: DTypeName
  readonly device: Device
}

export interface TensorOptions {
  readonly dtype: DTypeName
  readonly device: Device
  /** Page-locked host memory; only for a CPU device where `isPinMemoryAvailable()`. */
  readonly pinMemory?: boolean
}

export type ReduceOperation = 'sum' | 'max' | 'min'

export interface ProcessGroupOptions {
  /** The framework's own name for the transport: gloo, nccl, hccl, mccl, ... Absent = what suits its device. */
  readonly backend?: string
  readonly rank: number
  readonly worldSize: number
  /** Where the ranks meet: `tcp://host:port`. */
  readonly rendezvous: string
  readonly timeoutMs: number
}

/**
 * One framework on one rank. A call that a framework lacks throws `NotSupportedError` naming framework and call.
 * What is wrong with a call itself (shapes, types, devices) is thrown at once. A framework in another process may queue the
 * calls that give no promise: what goes wrong on the device then, such as memory that is not there, is thrown by the next
 * awaited call, `synchronize` at the latest.
 */
export interface Framework {
  readonly name: string

  // tensor
  /** A tensor of `data` with `shape = [data.length]`, converted to `dtype`. */
  tensor(data: TypedArray | readonly number[], options: TensorOptions): Tensor
  /** @throws OutOfMemoryError when the device has no room. */
  zeros(shape: readonly number[], options: TensorOptions): Tensor
  /** Contents are unspecified. @throws OutOfMemoryError when the device has no room. */
  empty(shape: readonly number[], options: TensorOptions): Tensor
  /** The range `[start, start + length)` of dimension `dim`: strided, shares storage, copies nothing. */
  narrow(tensor: Tensor, dim: number, start: number, length: number): Tensor
  /** The same elements in another shape. @throws InvalidArgumentError where that would need a copy. */
  view(tensor: Tensor, shape: readonly number[]): Tensor
  /** `source.length` must be the tensor's number of elements. */
  copyFromHost(target: Tensor, source: TypedArray): Promise<void>
  copyToHost(source: Tensor, target: TypedArray): Promise<void>
  /** Copies blocks (slices of dimension 0, or of dimension 1 where dimension 0 is the K/V pair): pairs of from, to. */
  copyBlocks(tensor: Tensor, pairs: Int32Array): Promise<void>

  // dtype
  readonly half: DType
  readonly float: DType
  readonly bfloat16: DType
  /** @throws NotSupportedError for a type that the framework lacks. */
  dtype(name: DTypeName): DType
  itemSize(name: DTypeName): number
  /** @throws InvalidArgumentError for a type that is not floating point. */
  finfo(name: DTypeName): FloatInfo
  /** The type to compute in: what was asked, or with 'auto' the best that the device has for the checkpoint's. */
  resolveDType(asked: 'auto' | DTypeName, checkpoint: DTypeName, device: Device): DTypeName

  // device
  deviceCount(): number
  setDevice(device: Device): void
  currentDevice(): Device
  synchronize(): Promise<void>
  memoryInfo(device?: Device): Promise<MemoryInfo>
  /** Highest memory in use since the last reset, in bytes. */
  peakMemory(): Promise<number>
  resetPeakMemory(): Promise<void>
  emptyCache(): Promise<void>
  isPinMemoryAvailable(): boolean
  manualSeed(seed: bigint): void

  // communication
  initProcessGroup(options: ProcessGroupOptions): Promise<void>
  allReduce(tensor: Tensor, operation?: ReduceOperation): Promise<Tensor>
  allGather(tensor: Tensor, dim?: number): Promise<Tensor>
  broadcast(tensor: Tensor, source: number): Promise<Tensor>
  barrier(): Promise<void>
  destroyProcessGroup(): Promise<void>
}
