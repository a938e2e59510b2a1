// Models kept in the origin's private file system: one directory a model, and beside each large file what is known of it, so
// that a download that was cut off goes on.

import { fileIn, isNamed } from './local-folder.js'

const ROOT = 'quire-models'

/** Bytes from `start` to before `end`, of which the first `done` are there. */
export interface Part {
  readonly start: number
  readonly end: number
  done: number
}

/** What is known of a file whose bytes come. */
export interface Ledger {
  readonly version: 1
  readonly etag: string | null
  readonly byteLength: number
  /** All bytes are there, and are those that were announced. */
  isComplete: boolean
  /** The checksum that they were compared with. */
  sha256: string | null
  parts: Part[]
}

/** One file that is written at any place. Held by one writer at a time. */
export interface OpenFile {
  write(bytes: Uint8Array, at: number): void
  truncate(byteLength: number): void
  flush(): void
  close(): void
}

/** The files of one model. */
export class StoredModel {
  readonly #directory: FileSystemDirectoryHandle

  constructor(directory: FileSystemDirectoryHandle) {
    this.#directory = directory
  }

  file(name: string): Promise<File | undefined> {
    return fileIn(this.#directory, keyOf(name))
  }

  async writeWhole(name: string, bytes: Uint8Array): Promise<void> {
    const file = await this.open(name)
    try {
      file.truncate(0)
      file.write(bytes, 0)
      file.flush()
    } finally {
      file.close()
    }
  }

  async open(name: string): Promise<OpenFile> {
    const handle = await this.#directory.getFileHandle(keyOf(name), { create: true })
    const access = await handle.createSyncAccessHandle()
    return {
      write: (bytes, at) => {
        for (let done = 0; done < bytes.length; ) {
          const rest = bytes.subarray(done) as Uint8Array<ArrayBuffer>
          const written = access.write(rest, { at: at + done })
          // Chromium gives a number below zero, read as one without a sign, where the quota is used up.
          if (!(written > 0 && written <= rest.length)) {
            throw new DOMException('The storage of this origin takes no more.', 'QuotaExceededError')
          }
          done += written
        }
      },
      truncate: byteLength => access.truncate(byteLength),
      flush: () => access.flush(),
      close: () => access.close(),
    }
  }

  async readLedger(name: string): Promise<Ledger | undefined> {
    const file = await this.file(ledgerName(name))
    if (file === undefined) return undefined
    try {
      const saved = JSON.parse(await file.text()) as Ledger
      const held = (await this.file(name))?.size ?? 0
      return saved.version === 1 && fits(saved, held) ? saved : undefined
    } catch {
      return undefined
    }
  }

  saveLedger(name: string, ledger: Ledger): Promise<void> {
    return this.writeWhole(ledgerName(name), new TextEncoder().encode(JSON.stringify(ledger)))
  }

  async remove(name: string): Promise<void> {
    for (const each of [ledgerName(name), name]) {
      await this.#directory.removeEntry(keyOf(each)).catch((error: unknown) => {
        if (!isNamed(error, 'NotFoundError')) throw error
      })
    }
  }
}

/** The directory of the model at an address; undefined where the browser has no such file system, as without TLS. */
export async function openStoredModel(url: string): Promise<StoredModel | undefined> {
  try {
    const root = await navigator.storage.getDirectory()
    const models = await root.getDirectoryHandle(ROOT, { create: true })
    return new StoredModel(await models.getDirectoryHandle(keyOf(url), { create: true }))
  } catch {
    return undefined
  }
}

/** Addresses of models that are kept, whole or in part, and the bytes that they take. */
export async function cachedModels(): Promise<{ readonly url: string; readonly byteLength: number }[]> {
  const models = await modelsDirectory()
  const found = []
  for await (const [key, directory] of models?.entries() ?? []) {
    if (directory.kind !== 'directory') continue
    let byteLength = 0
    for await (const file of (directory as FileSystemDirectoryHandle).values()) {
      if (file.kind === 'file') byteLength += (await (file as FileSystemFileHandle).getFile()).size
    }
    found.push({ url: decodeURIComponent(key), byteLength })
  }
  return found
}

/** Forgets models that were kept: the one at an address, or all. True if there was one. */
export async function removeCachedModels(url?: string | URL): Promise<boolean> {
  const models = await modelsDirectory()
  const keys = []
  for await (const key of models?.keys() ?? []) keys.push(key)
  const chosen = url === undefined ? keys : keys.filter(key => key === keyOf(String(url)))
  for (const key of chosen) await models?.removeEntry(key, { recursive: true })
  return chosen.length > 0
}

async function modelsDirectory(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT)
  } catch {
    return undefined
  }
}

/** A name without separators. */
function keyOf(name: string): string {
  return encodeURIComponent(name).replaceAll('*', '%2A')
}

function ledgerName(name: string): string {
  return `${name}.ledger`
}

/** The parts cover the file without gaps, and none claims bytes that are not there. */
function fits({ parts, byteLength }: Ledger, heldBytes: number): boolean {
  let at = 0
  for (const { start, end, done } of parts) {
    if (![start, end, done].every(Number.isSafeInteger) || start !== at || end < start) return false
    if (done < 0 || done > end - start || (done > 0 && start + done > heldBytes)) return false
    at = end
  }
  return at === byteLength
}
