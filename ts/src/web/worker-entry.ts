// The Worker's script: the program over the WebAssembly module that the page has compiled.

import { candlePlugin } from '@quire-llm/candle-cpu/portable'
import { loadWasm } from '../binding/wasm/index.js'
import { memoryOf, WASM_LIMIT_BYTES } from './memory-limit.js'
import type { PageMessage } from './worker-messages.js'
import { type WorkerDoor, WorkerProgram } from './worker-program.js'

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

self.addEventListener('message', ({ data }: MessageEvent<PageMessage>) => {
  if (data.kind === 'module') openDoor(wasmDoor(data.module, data.build))
  else program.receive(data)
})

async function wasmDoor(module: WebAssembly.Module, build: 'relaxed' | 'simd'): Promise<WorkerDoor> {
  const { native, runner, files, memory } = await loadWasm({ source: module, build })
  const usedBytes = () => memory.buffer.byteLength
  const { deviceMemory } = navigator as { readonly deviceMemory?: number }
  const plugin = candlePlugin({
    loadNative: async () => runner,
    memory: {
      info: () => memoryOf(usedBytes(), deviceMemory),
      peakBytes: () => Math.min(usedBytes(), WASM_LIMIT_BYTES),
      resetPeak: () => false,
    },
    parallelism: 1,
    computeThreads: async () => 1,
  })
  return { native, plugin, files, usedBytes }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T | Promise<T>) => void } {
  let resolve: (value: T | Promise<T>) => void = () => {}
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
