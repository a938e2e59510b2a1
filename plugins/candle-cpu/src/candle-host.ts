// What the plugin needs of the runtime that it lives in: the native module, an account of memory, threads.

import type { MemoryInfo } from 'quire-llm/plugin'
import type { Runner } from '../native/native.js'
import type { Native } from './native.js'

export interface CandleHost {
  /** @throws NativeBindingError. */
  loadNative(): Promise<Native>
  readonly memory: MemoryAccount
  /** Threads that run at once. */
  readonly parallelism: number
  /** Threads that pay for the model in this directory, where nobody said how many. */
  computeThreads(path: string): Promise<number>
  /** Writes what a loaded model packed, where there is a disk; never rejects. */
  readonly keepPackedWeights?: (native: Native, runner: Runner) => Promise<void>
}

/** How much memory may still be taken, and has been. */
export interface MemoryAccount {
  info(): MemoryInfo
  peakBytes(): number
  /** False where there is no peak that can be reset. */
  resetPeak(): boolean
}
