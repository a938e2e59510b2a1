// The rows of a batch on disk. They are written to a file beside the output, which takes the output's name once all is there:
// who reads the output never sees a part of it. An interrupted run leaves that file behind, and the next one goes on from it.

import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { UsageError } from '../usage-error.js'
import { readWrittenRow } from './batch-line.js'
import { textLines } from './text-lines.js'

const MOST_ROW_CHARACTERS = 2 ** 28

export interface OutputOptions {
  /** Forget what earlier runs have written. */
  readonly overwrite: boolean
  /** Ask again what failed in an earlier run. */
  readonly retryFailed: boolean
}

export class BatchOutput {
  readonly #path: string
  readonly #file: FileHandle
  /** Keys of the rows that are there from earlier runs. */
  readonly done: ReadonlySet<string>
  #writing: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(path: string, file: FileHandle, done: ReadonlySet<string>) {
    this.#path = path
    this.#file = file
    this.done = done
  }

  /** @throws UsageError if the file cannot be written. */
  static async open(path: string, options: OutputOptions): Promise<BatchOutput> {
    try {
      const part = partOf(path)
      const found = await stat(path).catch(() => undefined)
      if (found !== undefined && !found.isFile()) throw new Error('it is there, and is no file')
      const earlier = options.overwrite ? undefined : await earlierRun(path)
      const fresh = `${part}.new`
      const file = await open(fresh, 'w')
      const done = new Set<string>()
      if (earlier !== undefined) await keepRows(earlier, file, done, options.retryFailed)
      await rename(fresh, part)
      return new BatchOutput(path, file, done)
    } catch (error) {
      throw new UsageError(`--output-file: ${path} cannot be written: ${(error as Error).message}`)
    }
  }

  /** Rows are written in the order of the calls. */
  write(row: string): Promise<void> {
    const written = this.#writing.then(async () => {
      await this.#file.appendFile(`${row}\n`)
    })
    this.#writing = written.catch(() => {})
    return written
  }

  /** The output is whole. */
  async finish(): Promise<void> {
    await this.close()
    await rename(partOf(this.#path), this.#path)
  }

  /** Leaves what is written for another run. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    await this.#file.sync()
    await this.#file.close()
  }
}

function partOf(path: string): string {
  return `${path}.part`
}

/** What an interrupted run has left, else a complete output. */
async function earlierRun(path: string): Promise<string | undefined> {
  await rm(`${partOf(path)}.new`, { force: true })
  for (const candidate of [partOf(path), path]) {
    const found = await stat(candidate).catch(() => undefined)
    if (found?.isFile()) return candidate
  }
  return undefined
}

/** Copies the rows of an earlier run; a row that was cut off is left out. */
async function keepRows(path: string, file: FileHandle, done: Set<string>, retryFailed: boolean): Promise<void> {
  for await (const { text } of textLines(createReadStream(path), MOST_ROW_CHARACTERS)) {
    const row = text === undefined ? undefined : readWrittenRow(text)
    if (row === undefined || (row.failed && retryFailed) || done.has(row.key)) continue
    done.add(row.key)
    await file.appendFile(`${text}\n`)
  }
}
