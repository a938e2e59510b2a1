// Which bytes of a file have come, kept beside the incomplete file so that another process can go on. What it says is never
// ahead of what was written; the checksum has the last word.

import { readFile, rename, writeFile } from 'node:fs/promises'

/** Bytes from `start` to before `end`, of which the first `done` are there. */
export interface Part {
  readonly start: number
  readonly end: number
  done: number
}

interface Saved {
  readonly version: 1
  readonly etag: string
  readonly size: number
  readonly validator: string | null
  readonly parts: readonly (readonly [start: number, end: number, done: number])[]
}

const SAVE_EVERY_MS = 1000

export class PartLedger {
  readonly #path: string
  readonly #etag: string
  readonly #size: number
  #parts: readonly Part[]
  /** The entity tag that the bytes' own server gave: they can be continued while it stays. */
  validator: string | undefined
  #savedAt = 0
  #saving: Promise<void> = Promise.resolve()

  private constructor(path: string, etag: string, size: number, parts: readonly Part[], validator: string | undefined) {
    this.#path = path
    this.#etag = etag
    this.#size = size
    this.#parts = parts
    this.validator = validator
  }

  /** Continues what is there if it is of the same content and `heldBytes` can hold it, else begins anew. */
  static async open(
    path: string,
    { etag, size, heldBytes, partBytes }: { etag: string; size: number; heldBytes: number; partBytes: number },
  ): Promise<PartLedger> {
    const saved = await readSaved(path)
    if (saved !== undefined && saved.etag === etag && saved.size === size && fits(saved, heldBytes)) {
      const parts = saved.parts.map(([start, end, done]): Part => ({ start, end, done }))
      return new PartLedger(path, etag, size, parts, saved.validator ?? undefined)
    }
    return new PartLedger(path, etag, size, split(size, partBytes), undefined)
  }

  get parts(): readonly Part[] {
    return this.#parts
  }

  get done(): number {
    return this.#parts.reduce((sum, { done }) => sum + done, 0)
  }

  /** Forgets everything: one part, from the first byte. */
  restart(): void {
    this.#parts = split(this.#size, this.#size)
    this.validator = undefined
  }

  /** Writes at most once a second. */
  async saveNowAndThen(nowMs: number): Promise<void> {
    if (nowMs - this.#savedAt < SAVE_EVERY_MS) return
    this.#savedAt = nowMs
    await this.save()
  }

  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write())
    return this.#saving
  }

  async #write(): Promise<void> {
    const saved: Saved = {
      version: 1,
      etag: this.#etag,
      size: this.#size,
      validator: this.validator ?? null,
      parts: this.#parts.map(({ start, end, done }) => [start, end, done] as const),
    }
    const temporary = `${this.#path}.tmp`
    await writeFile(temporary, JSON.stringify(saved))
    await rename(temporary, this.#path)
  }
}

function split(size: number, partBytes: number): Part[] {
  const count = Math.max(1, Math.ceil(size / partBytes))
  return Array.from({ length: count }, (_, index) => ({
    start: index * partBytes,
    end: Math.min((index + 1) * partBytes, size),
    done: 0,
  }))
}

async function readSaved(path: string): Promise<Saved | undefined> {
  try {
    const saved = JSON.parse(await readFile(path, 'utf8')) as Saved
    return saved.version === 1 && Array.isArray(saved.parts) ? saved : undefined
  } catch {
    return undefined
  }
}

/** The parts cover the file without gaps, and none claims bytes that the incomplete file does not reach. */
function fits({ parts, size, validator }: Saved, heldBytes: number): boolean {
  if (validator !== null && typeof validator !== 'string') return false
  let at = 0
  for (const part of parts) {
    if (!Array.isArray(part) || !part.every(Number.isSafeInteger)) return false
    const [start, end, done] = part
    if (start !== at || end < start || done < 0 || done > end - start || (done > 0 && start + done > heldBytes))
      return false
    at = end
  }
  return at === size && parts.length > 0
}
