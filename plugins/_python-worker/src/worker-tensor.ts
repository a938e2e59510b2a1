// A tensor of another process: a window over an allocation there, known by a number. Allocations are freed when nothing here
// refers to them.

import {
  contiguousStrides,
  type Device,
  type DTypeName,
  InvalidArgumentError,
  type Tensor,
  type Window,
} from 'quire-llm/plugin'
import type { Connection } from './connection.js'
import type { Message } from './frame.js'

/** One allocation in the worker. */
export interface WorkerStorage {
  readonly id: number
  readonly dtype: DTypeName
  readonly device: Device
}

/** Numbers the allocations of one worker and frees those that are forgotten. */
export class WorkerStorages {
  readonly #forgotten: FinalizationRegistry<number>
  #lastId = 0

  constructor(connection: Connection) {
    this.#forgotten = new FinalizationRegistry(id => connection.post('free', { storages: [id] }))
  }

  /** The handle of an allocation that the worker is about to make. */
  add(dtype: DTypeName, device: Device): WorkerStorage {
    this.#lastId += 1
    const storage: WorkerStorage = { id: this.#lastId, dtype, device }
    this.#forgotten.register(storage, storage.id)
    return storage
  }
}

export class WorkerTensor implements Tensor {
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly offset: number
  readonly #storage: WorkerStorage

  constructor(storage: WorkerStorage, { shape, strides, offset }: Window) {
    this.#storage = storage
    this.shape = Object.freeze([...shape])
    this.strides = Object.freeze([...strides])
    this.offset = offset
  }

  /** All of an allocation, in order. */
  static whole(storage: WorkerStorage, shape: readonly number[]): WorkerTensor {
    return new WorkerTensor(storage, { shape, strides: contiguousStrides(shape), offset: 0 })
  }

  get dtype(): DTypeName {
    return this.#storage.dtype
  }

  get device(): Device {
    return this.#storage.device
  }

  /** Another window over the same allocation. */
  through(window: Window): WorkerTensor {
    return new WorkerTensor(this.#storage, window)
  }

  /** As a call names it. */
  get reference(): Message {
    return { storage: this.#storage.id, shape: this.shape, strides: this.strides, offset: this.offset }
  }
}

/** @throws InvalidArgumentError for another framework's tensor. */
export function workerTensor(tensor: Tensor, framework: string): WorkerTensor {
  if (tensor instanceof WorkerTensor) return tensor
  throw new InvalidArgumentError('tensor', `The tensor was not made by the framework ${framework}.`, tensor)
}
