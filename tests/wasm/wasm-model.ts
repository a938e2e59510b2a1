// Brings a model's folder into the memory of the WebAssembly module, as a browser would: small files whole, weights in pieces.

import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelFiles } from '../../ts/src/binding/wasm/index.js'

/** Pieces of an odd length, so that headers, tensors and numbers are cut anywhere. */
const PIECE_BYTES = 65_521

export async function bringModel(files: ModelFiles, path: string): Promise<void> {
  for (const name of await readdir(path, { recursive: true })) {
    const file = join(path, name)
    if (name.endsWith('.safetensors')) {
      const writer = files.openWeights(file, (await stat(file)).size)
      for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) writer.write(piece)
      writer.close()
    } else if (/\.(json|jinja)$/.test(name) && name !== 'golden.json') {
      files.write(file, await readFile(file))
    }
  }
}
