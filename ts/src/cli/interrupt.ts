// Ctrl-C as an AbortSignal.

/** Runs `work` with a signal that Ctrl-C aborts; a second Ctrl-C then ends the process as usual. */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = (): void => controller.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', interrupt)
  }
}
