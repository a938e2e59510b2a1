// What else the native module does beside running models, for tools: it writes GGUF files.

import { type EmbeddedTools, type GgufQuantization, RequestAbortedError } from 'quire-llm/plugin'
import { loadNative } from './native.js'
import { unwrap } from './outcome.js'

/** What `quire quantize` calls. */
export const tools: EmbeddedTools = {
  ggufFileTypes: async () => (await loadNative()).ggufFileTypes(),
  quantizeToGguf,
}

async function quantizeToGguf(quantization: GgufQuantization): Promise<number> {
  const { source, output, fileType, pure, threads, signal, onProgress } = quantization
  const native = await loadNative()
  const running = new native.GgufQuantization()
  const stop = (): void => running.stop()
  if (signal?.aborted === true) throw new RequestAbortedError('Quantising was stopped.')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return unwrap(
      await running.run(source, output, { fileType, pure, threads }, (fraction: number) => onProgress?.(fraction)),
    )
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
