// What else the native module does beside running models, for tools: it writes GGUF files and importance matrices, and
// measures the machine.

import {
  type EmbeddedTools,
  type GgufQuantization,
  type ImportanceCollection,
  type KernelMeasurement,
  type KernelMeasurementOptions,
  RequestAbortedError,
} from 'quire-llm/plugin'
import { loadNative } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

/** What `quire quantize` and `quire imatrix` call. */
export const tools: EmbeddedTools = {
  ggufFileTypes: async () => (await loadNative()).ggufFileTypes(),
  quantizeToGguf,
  collectImportance,
  measureKernels,
}

async function quantizeToGguf(quantization: GgufQuantization): Promise<number> {
  const { source, output, fileType, pure, imatrix, threads, signal, onProgress } = quantization
  const native = await loadNative()
  const running = new native.GgufQuantization()
  const options = { fileType, pure, threads, ...(imatrix !== undefined && { imatrix }) }
  return await stoppable(signal, running, 'Quantising was stopped.', async () =>
    unwrap(await running.run(source, output, options, (fraction: number) => onProgress?.(fraction))),
  )
}

async function collectImportance(collection: ImportanceCollection): Promise<number> {
  const { source, output, tokenIds, chunkTokens, dataset, threads, signal, onProgress } = collection
  const native = await loadNative()
  const running = new native.ImportanceCollection()
  const options = { dataset, chunkTokens, threads }
  return await stoppable(signal, running, 'Collecting was stopped.', async () =>
    unwrap(await running.run(source, output, bytesOf(tokenIds), options, (fraction: number) => onProgress?.(fraction))),
  )
}

async function measureKernels({ threads, kernels, formats }: KernelMeasurementOptions): Promise<KernelMeasurement> {
  const native = await loadNative()
  const options = { threads, formats: [...formats], ...(kernels !== undefined && { kernels }) }
  return unwrap(await native.measure(options))
}

async function stoppable(
  signal: AbortSignal | undefined,
  running: { stop(): void },
  message: string,
  run: () => Promise<number>,
): Promise<number> {
  const stop = (): void => running.stop()
  if (signal?.aborted === true) throw new RequestAbortedError(message)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await run()
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
