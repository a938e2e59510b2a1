// What a Worker's program gets from the Worker that it runs in: the module, and the way to the page.

import type { Native } from '../binding/index.js'
import type { GgufFile, GgufHeader } from '../binding/wasm/index.js'
import type { FrameworkPlugin } from '../plugin/framework-plugin.js'
import type { WorkerMessage } from './worker-messages.js'

/** The module in this Worker. */
export interface WorkerDoor {
  readonly native: Native
  readonly plugin: FrameworkPlugin
  readonly files: DoorFiles
  /** Bytes of its memory. */
  usedBytes(): number
}

/** Model folders in the module's memory. */
export interface DoorFiles {
  write(path: string, bytes: Uint8Array): void
  openWeights(path: string, byteLength: number): { write(piece: Uint8Array): void; close(): void }
  ggufHeader(file: GgufFile, start: Uint8Array, elementBytes: number): GgufHeader | undefined
  /** Forgets a folder. */
  remove(directory: string): void
}

export interface WorkerHost {
  post(message: WorkerMessage): void
  /** Holds a lock for as long as the Worker lives; resolves when it is held, or there are no locks. */
  holdLock(name: string): Promise<void>
}
