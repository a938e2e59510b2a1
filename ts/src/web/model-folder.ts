// A model's folder as the Worker sees it: files by name, each with its size, read in pieces. Where they come from is behind it.

export interface ModelFile {
  readonly name: string
  readonly byteLength: number
  /** All of it, from the first byte, in pieces, each of which is good until the next is asked for. */
  pieces(): AsyncIterable<Uint8Array>
}

export interface ModelFolder {
  /** What messages call it. */
  readonly label: string
  /** A file; undefined if there is none of this name. @throws HubError, ModelError, RequestAbortedError. */
  open(name: string): Promise<ModelFile | undefined>
  /** Sees to it that large files can be read fast and again: downloads them side by side. */
  fetchAll(files: readonly ModelFile[]): Promise<readonly ModelFile[]>
  /** Forgets what is kept only while the model is loaded. */
  close(): Promise<void>
}

/** The whole of a small file. */
export async function bytesOfFile(file: ModelFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.byteLength)
  let at = 0
  for await (const piece of file.pieces()) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

/** Bytes of a blob that are in memory at once. */
const PIECE_BYTES = 4 << 20

/** A blob, which the browser keeps on disk, in pieces. */
export async function* piecesOfBlob(blob: Blob): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < blob.size; at += PIECE_BYTES) {
    yield new Uint8Array(await blob.slice(at, at + PIECE_BYTES).arrayBuffer())
  }
}
