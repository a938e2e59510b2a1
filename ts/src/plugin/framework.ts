// The framework adapter: tensor, dtype, device and communication calls that the framework-neutral worker needs.
// PyTorch's semantics are the norm. It is never on the per-layer hot path; models belong to the runner.

import type { Device, MemoryInfo } from './device.js'
import type { DType, DTypeName, FloatInfo, TypedArray } from './dtype.js'
import type { Window } from './window.js'

/** An opaque tensor of one framework. Only the framework that made it may read it. */
export interface Tensor extends Window {
  /** Type of the elements. */
  readonly dtype: DTypeName
  /** Where the elements are. */
  readonly device: Device
}

/** What a new tensor is made of, and where. */
export interface TensorOptions {
  /** Type of the elements. */
  readonly dtype: DTypeName
  /** Where they are allocated. */
  readonly device: Device
  /** Page-locked host memory; only for a CPU device where `isPinMemoryAvailable()`. */
  readonly pinMemory?: boolean
}

/** How elements of several ranks become one. */
export type ReduceOperation = 'sum' | 'max' | 'min'

/** How ranks find each other. */
export interface ProcessGroupOptions {
  /** The framework's own name for the transport: gloo, nccl, hccl, mccl, ... Absent = what suits its device. */
  readonly backend?: string
  /** This rank, from 0. */
  readonly rank: number
  /** Number of ranks. */
  readonly worldSize: number
  /** Where the ranks meet: `tcp://host:port`. */
  readonly rendezvous: string
  /** Milliseconds that a collective may wait for the other ranks. */
  readonly timeoutMs: number
}

/**
 * One framework on one rank. A call that a framework lacks throws `NotSupportedError` naming framework and call.
 * What is wrong with a call itself (shapes, types, devices) is thrown at once. A framework in another process may queue the
 * calls that give no promise: what goes wrong on the device then, such as memory that is not there, is thrown by the next
 * awaited call, `synchronize` at the latest.
 */
export interface Framework {
  /** The plugin's name of the framework. */
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
  /** `target.length` must be the tensor's number of elements, and its type the one that carries the tensor's. */
  copyToHost(source: Tensor, target: TypedArray): Promise<void>
  /** Copies blocks (slices of dimension 0, or of dimension 1 where dimension 0 is the K/V pair): pairs of from, to. */
  copyBlocks(tensor: Tensor, pairs: Int32Array): Promise<void>

  // dtype
  /** The type of 16 bits that is called half precision. */
  readonly half: DType
  /** The type of 32 bits. */
  readonly float: DType
  /** The type of 16 bits with float32's exponent. */
  readonly bfloat16: DType
  /** @throws NotSupportedError for a type that the framework lacks. */
  dtype(name: DTypeName): DType
  /** Bytes of an element. */
  itemSize(name: DTypeName): number
  /** @throws InvalidArgumentError for a type that is not floating point. */
  finfo(name: DTypeName): FloatInfo
  /** The type to compute in: what was asked, or with 'auto' the best that the device has for the checkpoint's. */
  resolveDType(asked: 'auto' | DTypeName, checkpoint: DTypeName, device: Device): DTypeName

  // device
  /** Number of devices of the current device's kind. */
  deviceCount(): number
  /** Makes a device the current one. @throws InvalidArgumentError if there is none such. */
  setDevice(device: Device): void
  /** The device that calls without one are about. */
  currentDevice(): Device
  /** Resolves when the device has done all that it was told. @throws what went wrong there. */
  synchronize(): Promise<void>
  /** Memory of a device, by default the current one. */
  memoryInfo(device?: Device): Promise<MemoryInfo>
  /** Highest memory in use since the last reset, in bytes. */
  peakMemory(): Promise<number>
  /** Begins a new count for `peakMemory`. */
  resetPeakMemory(): Promise<void>
  /** Gives memory that the framework keeps for later back to the device. */
  emptyCache(): Promise<void>
  /** Whether tensors on a CPU device may be page-locked. */
  isPinMemoryAvailable(): boolean
  /** Seeds the framework's own random numbers. */
  manualSeed(seed: bigint): void

  // communication
  /** Joins the other ranks; every rank calls it. @throws NotSupportedError where there are no ranks. */
  initProcessGroup(options: ProcessGroupOptions): Promise<void>
  /** The elements of all ranks' tensors made one by `operation`, by default their sum. */
  allReduce(tensor: Tensor, operation?: ReduceOperation): Promise<Tensor>
  /** The tensors of all ranks in their order, one after another along `dim`, by default 0. */
  allGather(tensor: Tensor, dim?: number): Promise<Tensor>
  /** The tensor of the rank `source`, on every rank. */
  broadcast(tensor: Tensor, source: number): Promise<Tensor>
  /** Resolves when every rank has called it. */
  barrier(): Promise<void>
  /** Leaves the other ranks. */
  destroyProcessGroup(): Promise<void>
}
