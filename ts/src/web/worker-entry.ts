// The Worker's script: the program over the WebAssembly module that the page has compiled, or a thread of it.

import { candlePlugin } from '@quire-llm/candle-cpu/portable'
import { lendThread, loadWasm } from '../binding/wasm/index.js'
import { memoryOf, WASM_LIMIT_BYTES } from './memory-limit.js'
import type { DoorFiles, WorkerDoor } from './worker-door.js'
import type { PageMessage, ThreadMessage } from './worker-messages.js'
import { WorkerProgram } from './worker-program.js'
import { startThreads, usualThreads } from './worker-threads.js'

declare const self: DedicatedWorkerGlobalScope

const { promise: door, resolve: openDoor } = withResolvers<WorkerDoor>()

const program = new WorkerProgram(
  {
    post: message => self.postMessage(message),
    holdLock: name => {
      if (!('locks' in navigator)) return Promise.resolve()
      return new Promise<void>(resolve => {
        void navigator.locks.request(name, () => {
          resolve()
          return new Promise(() => {}) // let go when the Worker ends
        })
      })
    },
  },
  door,
)

self.addEventListener('message', ({ data }: MessageEvent<PageMessage | ThreadMessage>) => {
  switch (data.kind) {
    case 'thread':
      lendThread(data.module, data.memory, () => self.postMessage('ready')).catch(fail)
      break
    case 'module':
      openDoor(wasmDoor(data))
      break
    default:
      program.receive(data)
  }
})

type ModuleMessage = Extract<PageMessage, { readonly kind: 'module' }>

async function wasmDoor({ module, build, threads }: ModuleMessage): Promise<WorkerDoor> {
  const { native, runner, files, memory } = await loadWasm({ source: module, build })
  const weighed = new WeighedFiles(files)
  const usedBytes = () => memory.buffer.byteLength
  const { deviceMemory } = navigator as { readonly deviceMemory?: number }
  const plugin = candlePlugin({
    loadNative: async () => runner,
    memory: {
      info: () => memoryOf(usedBytes(), deviceMemory),
      peakBytes: () => Math.min(usedBytes(), WASM_LIMIT_BYTES),
      resetPeak: () => false,
    },
    parallelism: build === 'threads' ? navigator.hardwareConcurrency : 1,
    computeThreads: async () => {
      if (build !== 'threads') return 1
      const count = threads ?? usualThreads(navigator.hardwareConcurrency, weighed.weightsBytes)
      return startThreads(count, module, memory)
    },
  })
  return { native, plugin, files: weighed, usedBytes }
}

/** Files of models, and how long their weights are together. */
class WeighedFiles implements DoorFiles {
  weightsBytes = 0
  readonly #files: DoorFiles

  constructor(files: DoorFiles) {
    this.#files = files
  }

  write(path: string, bytes: Uint8Array): void {
    this.#files.write(path, bytes)
  }

  ggufHeader(...values: Parameters<DoorFiles['ggufHeader']>): ReturnType<DoorFiles['ggufHeader']> {
    return this.#files.ggufHeader(...values)
  }

  openWeights(path: string, byteLength: number): ReturnType<DoorFiles['openWeights']> {
    this.weightsBytes += byteLength
    return this.#files.openWeights(path, byteLength)
  }

  remove(directory: string): void {
    this.#files.remove(directory)
  }
}

/** As if it had been thrown where nobody catches: whoever started this Worker hears of it. */
function fail(error: unknown): void {
  setTimeout(() => {
    throw error
  })
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T | Promise<T>) => void } {
  let resolve: (value: T | Promise<T>) => void = () => {}
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
