// How many threads compute, where nobody said: all cores, but one for a model whose layers are done before a second thread has
// woken. Spinning for such work, the others would only take the cores from those who serve.

import { readdir, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Serving on two cores, models of 0.7 and 1 MB are faster on one thread, one of 7 MB on two. */
const ONE_THREAD_BYTES = 2 << 20

/** For the model in the directory or GGUF file at `path`, by the size of its weights. */
export async function computeThreads(path: string): Promise<number> {
  const isFile = /\.gguf$/i.test(path)
  const folder = isFile ? dirname(path) : path
  const found = isFile ? [basename(path)] : await readdir(path).catch(() => [])
  const names = found.filter(name => isFile || name.endsWith('.safetensors'))
  // What is not there is told when it is opened.
  const sizeOf = (name: string) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => Number.POSITIVE_INFINITY,
    )
  const sizes = await Promise.all(names.map(sizeOf))
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return names.length > 0 && bytes < ONE_THREAD_BYTES ? 1 : availableParallelism()
}
