// Ctrl-C as an AbortSignal.

import { setMaxListeners } from 'node:events'

/** Runs `work` with a signal that Ctrl-C aborts; a second Ctrl-C then ends the process as usual. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal) // every request listens
  const interrupt = (): void => controller.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', interrupt)
  }
}
