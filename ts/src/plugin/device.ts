// A device as every framework can name it: a kind and an index.

/** Kinds of device. A framework may serve several. */
export type DeviceKind = 'cpu' | 'cuda' | 'npu' | 'metal' | 'tpu' | 'webgpu'

/** One device: `cuda:1` is `{ kind: 'cuda', index: 1 }`. */
export interface Device {
  /** What kind of device it is. */
  readonly kind: DeviceKind
  /** Its place among those of its kind, from 0. */
  readonly index: number
}

/** Free and total memory of a device, in bytes. */
export interface MemoryInfo {
  /** Bytes that can still be allocated. */
  readonly freeBytes: number
  /** Bytes in all. */
  readonly totalBytes: number
}
