// The framework adapter over a worker: windows, types and shapes are settled here, memory and communication there. Calls
// that give no promise are queued.

import {
  type Device,
  type DeviceKind,
  type DType,
  type DTypeName,
  elementsOf,
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
  WorkerError,
} from 'quire-llm/plugin'
import { type Connection, field } from './connection.js'
import { bytesOf, carries, checkCarrier, floatInfo } from './element-types.js'
import { MAX_DATA_BYTES, type Message } from './frame.js'
import { type WorkerStorage, WorkerStorages, WorkerTensor, workerTensor } from './worker-tensor.js'

/** What the framework said of itself when it was opened. */
export interface FrameworkFacts {
  readonly name: string
  readonly version: string
  /** The preferred one first, each with the floating-point types that models can be computed in. */
  readonly devices: readonly (Device & { readonly dtypes: readonly DTypeName[] })[]
  /** Types that tensors can have. */
  readonly dtypes: readonly DTypeName[]
  readonly pinMemory: boolean
  readonly facts: Readonly<Record<string, string>>
}

export class WorkerFramework implements Framework {
  readonly name: string
  /** What the framework said of itself. */
  readonly facts: FrameworkFacts
  readonly half: DType = { name: 'float16', itemSize: 2 }
  readonly float: DType = { name: 'float32', itemSize: 4 }
  readonly bfloat16: DType = { name: 'bfloat16', itemSize: 2 }
  readonly #connection: Connection
  readonly #storages: WorkerStorages
  #device: Device

  constructor(name: string, connection: Connection, facts: FrameworkFacts, device: Device) {
    this.name = name
    this.facts = facts
    this.#connection = connection
    this.#storages = new WorkerStorages(connection)
    this.#device = device
  }

  tensor(data: TypedArray | readonly number[], options: TensorOptions): Tensor {
    const made = this.zeros([data.length], options) as WorkerTensor
    const isBits = carries(data, options.dtype)
    const sent = isBits ? data : Float64Array.from(data as ArrayLike<number>, Number)
    for (const { part, bytes } of this.#parts(made, bytesOf(sent)))
      this.#connection.post('write', write(part, bytes, isBits))
    return made
  }

  zeros(shape: readonly number[], options: TensorOptions): Tensor {
    if (!shape.every(size => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(elementsOf(shape))) {
      throw new InvalidArgumentError('shape', 'Sizes are whole numbers that are not negative.', shape)
    }
    const { dtype, device, pinMemory = false } = options
    this.dtype(dtype)
    this.#checkDevice(device)
    if (pinMemory && !(device.kind === 'cpu' && this.isPinMemoryAvailable())) throw this.#lacks('pinned memory', device)
    const storage = this.#storages.add(dtype, device)
    const allocation = { storage: storage.id, numElements: elementsOf(shape), dtype, device: plain(device), pinMemory }
    this.#connection.post('allocate', allocation)
    return WorkerTensor.whole(storage, shape)
  }

  empty(shape: readonly number[], options: TensorOptions): Tensor {
    return this.zeros(shape, options)
  }

  narrow(tensor: Tensor, dim: number, start: number, length: number): Tensor {
    return this.#own(tensor).through(narrowWindow(tensor, dim, start, length))
  }

  view(tensor: Tensor, shape: readonly number[]): Tensor {
    return this.#own(tensor).through(viewWindow(tensor, shape))
  }

  async copyFromHost(target: Tensor, source: TypedArray): Promise<void> {
    checkCarrier(source, target.dtype, elementsOf(target.shape), 'source')
    for (const { part, bytes } of this.#parts(this.#own(target), bytesOf(source))) {
      await this.#connection.call('write', write(part, bytes, true), nothing)
    }
  }

  async copyToHost(source: Tensor, target: TypedArray): Promise<void> {
    checkCarrier(target, source.dtype, elementsOf(source.shape), 'target')
    for (const { part, bytes } of this.#parts(this.#own(source), bytesOf(target))) {
      await this.#connection.call('read', { tensor: part.reference }, ({ data }) => {
        if (!(data instanceof Uint8Array) || data.length !== bytes.length) {
          throw new WorkerError(
            `The worker read ${String((data as Uint8Array)?.length)} bytes, expected ${bytes.length}.`,
          )
        }
        bytes.set(data)
      })
    }
  }

  async copyBlocks(tensor: Tensor, pairs: Int32Array): Promise<void> {
    const dim = tensor.shape.length === 5 && tensor.shape[0] === 2 ? 1 : 0
    const numBlocks = tensor.shape[dim] ?? 0
    const outside = pairs.find(block => block < 0 || block >= numBlocks)
    if (outside !== undefined || pairs.length % 2 !== 0) {
      throw new InvalidArgumentError(
        'pairs',
        `Pairs of blocks in [0, ${numBlocks}) are expected.`,
        outside ?? pairs.length,
      )
    }
    const reference = this.#own(tensor).reference
    await this.#connection.call('copyBlocks', { tensor: reference, pairs: bytesOf(pairs), dim }, nothing)
  }

  dtype(name: DTypeName): DType {
    if (isDTypeName(name) && this.facts.dtypes.includes(name)) return { name, itemSize: itemSizeOf(name) }
    throw this.#lacks(`dtype ${name}`)
  }

  itemSize(name: DTypeName): number {
    return this.dtype(name).itemSize
  }

  finfo(name: DTypeName): FloatInfo {
    return floatInfo(name)
  }

  resolveDType(asked: 'auto' | DTypeName, checkpoint: DTypeName, device: Device): DTypeName {
    const { dtypes } = this.#checkDevice(device)
    if (asked === 'auto') return dtypes.includes(checkpoint) ? checkpoint : 'float32'
    if (dtypes.includes(asked)) return asked
    throw new InvalidArgumentError(
      'dtype',
      `${this.name} computes in ${dtypes.join(', ')} on ${show(device)}, not in ${asked}.`,
      asked,
    )
  }

  deviceCount(): number {
    return this.facts.devices.filter(({ kind }) => kind === this.#device.kind).length
  }

  setDevice(device: Device): void {
    this.#checkDevice(device)
    if (show(device) === show(this.#device)) return
    this.#device = device
    this.#connection.post('setDevice', { device: plain(device) })
  }

  currentDevice(): Device {
    return this.#device
  }

  synchronize(): Promise<void> {
    return this.#ask('synchronize')
  }

  async memoryInfo(device: Device = this.#device): Promise<MemoryInfo> {
    this.#checkDevice(device)
    return this.#connection.call('memoryInfo', { device: plain(device) }, reply => ({
      freeBytes: field(reply, 'freeBytes', 'number'),
      totalBytes: field(reply, 'totalBytes', 'number'),
    }))
  }

  peakMemory(): Promise<number> {
    return this.#connection.call('peakMemory', {}, reply => field(reply, 'bytes', 'number'))
  }

  resetPeakMemory(): Promise<void> {
    return this.#ask('resetPeakMemory')
  }

  emptyCache(): Promise<void> {
    return this.#ask('emptyCache')
  }

  isPinMemoryAvailable(): boolean {
    return this.facts.pinMemory
  }

  manualSeed(seed: bigint): void {
    this.#connection.post('manualSeed', { seed: String(seed) })
  }

  initProcessGroup({ backend = '', rank, worldSize, rendezvous, timeoutMs }: ProcessGroupOptions): Promise<void> {
    return this.#ask('initProcessGroup', { backend, rank, worldSize, rendezvous, timeoutMs })
  }

  async allReduce(tensor: Tensor, operation: ReduceOperation = 'sum'): Promise<Tensor> {
    return this.#collective('allReduce', tensor, { operation })
  }

  async allGather(tensor: Tensor, dim = 0): Promise<Tensor> {
    const axis = dim < 0 ? dim + tensor.shape.length : dim
    if (!Number.isInteger(axis) || axis < 0 || axis >= tensor.shape.length) {
      throw new InvalidArgumentError(
        'dim',
        `A tensor of ${tensor.shape.length} dimensions has no dimension ${dim}.`,
        dim,
      )
    }
    return this.#collective('allGather', tensor, { dim: axis })
  }

  async broadcast(tensor: Tensor, source: number): Promise<Tensor> {
    return this.#collective('broadcast', tensor, { source })
  }

  barrier(): Promise<void> {
    return this.#ask('barrier')
  }

  destroyProcessGroup(): Promise<void> {
    return this.#ask('destroyProcessGroup')
  }

  #ask(call: string, params: Message = {}): Promise<void> {
    return this.#connection.call(call, params, nothing)
  }

  #own(tensor: Tensor): WorkerTensor {
    return workerTensor(tensor, this.name)
  }

  /** The result is a new tensor of the worker's. */
  #collective(call: string, tensor: Tensor, params: Message): Promise<Tensor> {
    const storage: WorkerStorage = this.#storages.add(tensor.dtype, tensor.device)
    const all = { tensor: this.#own(tensor).reference, into: storage.id, ...params }
    return this.#connection.call(call, all, ({ shape }) => WorkerTensor.whole(storage, shape as number[]))
  }

  /** Windows in order, each small enough for a frame, with its share of `bytes`. */
  *#parts(tensor: WorkerTensor, bytes: Uint8Array): Generator<{ part: WorkerTensor; bytes: Uint8Array }, void> {
    if (bytes.length <= MAX_DATA_BYTES) {
      if (bytes.length > 0) yield { part: tensor, bytes }
      return
    }
    const dim = tensor.shape.findIndex(size => size > 1)
    const size = tensor.shape[dim] as number
    const bytesPerEntry = bytes.length / size
    const step = Math.max(1, Math.floor(MAX_DATA_BYTES / bytesPerEntry))
    for (let start = 0; start < size; start += step) {
      const length = Math.min(step, size - start)
      const part = tensor.through(narrowWindow(tensor, dim, start, length))
      yield* this.#parts(part, bytes.subarray(start * bytesPerEntry, (start + length) * bytesPerEntry))
    }
  }

  #checkDevice(device: Device): FrameworkFacts['devices'][number] {
    const found = this.facts.devices.find(each => show(each) === show(device))
    if (found !== undefined) return found
    const known = this.facts.devices.map(show).join(', ')
    throw new NotSupportedError(`${this.name} has no device ${show(device)} here; it has ${known}.`, {
      details: { framework: this.name, device: plain(device) },
    })
  }

  #lacks(call: string, device: Device = this.#device): NotSupportedError {
    return new NotSupportedError(`The framework ${this.name} has no ${call} on ${device.kind}.`, {
      details: { framework: this.name, call },
    })
  }
}

function write(part: WorkerTensor, data: Uint8Array, isBits: boolean): Message {
  return { tensor: part.reference, data, encoding: isBits ? 'bits' : 'values' }
}

function nothing(): void {}

function show({ kind, index }: { readonly kind: DeviceKind; readonly index: number }): string {
  return `${kind}:${index}`
}

function plain({ kind, index }: Device): Message {
  return { kind, index }
}
