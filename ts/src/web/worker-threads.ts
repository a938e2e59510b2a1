// The threads of an engine's Worker: Workers of the same script, over the same memory. They end with it.

import type { WasmMemory } from '../binding/wasm/index.js'
import type { ThreadMessage } from './worker-messages.js'

/** Smaller models are done before a second thread has woken. */
const ONE_THREAD_BYTES = 2 << 20

/** Threads that are used unless somebody asks for more. */
const MOST_BY_DEFAULT = 8

/** A browser that is slower to start a Worker does better without. */
const START_MS = 10_000

/** How many threads compute where nobody said, on a device of so many logical cores. */
export function usualThreads(cores: number, weightsBytes: number): number {
  if (weightsBytes < ONE_THREAD_BYTES) return 1
  return Math.min(MOST_BY_DEFAULT, Math.max(cores >> 1, Math.min(cores, 2)))
}

/** Starts all but the first, which is this Worker. @returns how many there are: one that cannot be started is done without. */
export async function startThreads(count: number, module: WebAssembly.Module, memory: WasmMemory): Promise<number> {
  const message: ThreadMessage = { kind: 'thread', module, memory }
  const started = await Promise.allSettled(
    Array.from({ length: count - 1 }, (_, index) => startThread(`quire thread ${index + 1}`, message)),
  )
  const failed = started.find(result => result.status === 'rejected')
  const numThreads = 1 + started.filter(({ status }) => status === 'fulfilled').length
  if (failed !== undefined) {
    // biome-ignore lint/suspicious/noConsole: a page has no other place for a warning
    console.warn(`Quire computes with ${numThreads} of ${count} threads: a Worker could not be started.`, failed.reason)
  }
  return numThreads
}

function startThread(name: string, message: ThreadMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(self.location.href, { type: 'module', name })
    const fail = (reason: string) => {
      clearTimeout(late)
      thread.terminate()
      reject(new Error(reason))
    }
    const late = setTimeout(() => fail(`it has not started within ${START_MS / 1000} s`), START_MS)
    thread.addEventListener('error', event => {
      event.preventDefault()
      fail(event.message || 'its script cannot be loaded')
    })
    thread.addEventListener('message', () => {
      clearTimeout(late)
      resolve()
    })
    thread.postMessage(message)
  })
}
