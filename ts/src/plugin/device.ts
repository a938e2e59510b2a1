// A device as every framework can name it: a kind and an index.

/** Kinds of device. A framework may serve several. */
export type DeviceKind = 'cpu' | 'cuda' | 'npu' | 'metal' | 'tpu' | 'webgpu'

export interface Device {
  readonly kind: DeviceKind
  readonly index: number
}

/** Free and total memory of a device, in bytes. */
export interface MemoryInfo {
  readonly freeBytes: number
  readonly totalBytes: number
}
