// A GGUF file as a model: its parts, and its header, which has the tokenizer in it and is read before the weights.

import type { GgufFile, GgufHeader } from '../binding/wasm/index.js'
import { ModelError } from '../errors.js'
import { partsOf } from '../hub/gguf-choice.js'
import type { ModelPlan, SmallFile } from './file-selection.js'
import type { ModelFile, ModelFolder } from './model-folder.js'

/** Reads a header from the beginning of a file; undefined if it is longer. */
export type ReadHeader = (file: GgufFile, start: Uint8Array) => GgufHeader | undefined

/** How much is read before the first look; twice as much each time that it is not enough. */
const FIRST_BYTES = 1 << 16

interface Headed {
  readonly file: ModelFile
  readonly header: GgufHeader
  readonly bytes: Uint8Array
}

/** Opens all parts, and reads what lies before their weights. @throws ModelError, HubError. */
export async function planGguf(
  folder: ModelFolder,
  gguf: string,
  read: ReadHeader,
  onSmallFiles: (files: readonly SmallFile[]) => void,
): Promise<ModelPlan> {
  const [first, ...names] = partsOf(gguf)
  const head = await openHeaded(folder, first, read)
  const small = [{ name: first, bytes: head.bytes }]
  onSmallFiles(small)
  const parts = [head, ...(await Promise.all(names.map(name => openHeaded(folder, name, read))))]
  return {
    config: {},
    small,
    weights: parts.map(({ file }) => file),
    packedBytes: parts.reduce((sum, { header }) => sum + header.packedBytes, 0),
    numParameters: parts.reduce((sum, { header }) => sum + header.numParameters, 0),
  }
}

/** The tokenizer alone. @throws ModelError, HubError. */
export async function readGgufTokenizer(folder: ModelFolder, gguf: string, read: ReadHeader): Promise<SmallFile[]> {
  const { file, bytes } = await openHeaded(folder, gguf, read)
  return [{ name: file.name, bytes }]
}

async function openHeaded(folder: ModelFolder, name: string, read: ReadHeader): Promise<Headed> {
  const file = await folder.open(name)
  if (file === undefined) {
    throw new ModelError('ERR_MODEL_NOT_FOUND', `There is no ${name} at ${folder.label}.`, { details: { file: name } })
  }
  let held = new Uint8Array(Math.min(FIRST_BYTES, file.byteLength))
  let length = 0
  for await (const piece of file.pieces()) {
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(piece.length - at, held.length - length)
      held.set(piece.subarray(at, at + taken), length)
      length += taken
      at += taken
      if (length < held.length) break
      const header = read(file, held)
      if (header !== undefined) return { file, header, bytes: held.slice(0, header.headerBytes) }
      const more = new Uint8Array(Math.min(2 * length, file.byteLength))
      more.set(held)
      held = more
    }
  }
  // The whole file came and no header: that is an error which the reader tells.
  read(file, held.subarray(0, length))
  throw new ModelError('ERR_MODEL_INVALID', `${name} of ${folder.label} ends before its weights.`, {
    details: { file: name },
  })
}
