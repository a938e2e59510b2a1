// Which GGUF file a path means: the file itself, or the only model in a folder that has no other weights.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { onlyGguf } from './gguf-names.js'

/** The path of what is to be opened: a folder that is the home of one GGUF model stands for its file. @throws ModelError. */
export async function modelPathOf(path: string): Promise<string> {
  const names = await readdir(path).catch(() => undefined)
  const file = names === undefined ? undefined : onlyGguf(names, path)
  return file === undefined ? path : join(path, file)
}
