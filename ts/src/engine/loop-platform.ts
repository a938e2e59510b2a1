// What the loop needs of the runtime that it lives in, and what differs between them.

import type { Native } from '../binding/index.js'

export interface LoopPlatform {
  /** The native module of this thread. @throws NativeBindingError. */
  loadNative(): Promise<Native>
  /** Whether the loop has a thread of its own, which nobody misses while a step is computed. */
  readonly ownThread: boolean
  /** Threads that run at once. */
  readonly parallelism: number
  /** Tells whoever runs the program something that it can live with. */
  warn(message: string): void
  /** Where several ranks can meet. @throws NotSupportedError where there is one. */
  freeRendezvous(): Promise<string>
}
