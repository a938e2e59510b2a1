// The end of what a process wrote to standard error: the only place where a framework says why it died.

import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'

const KEPT_BYTES = 64 * 1024
const QUOTED_LINES = 30
const QUOTED_CHARACTERS = 4096

export class StderrTail {
  readonly #stream: Socket | null
  #chunks: Buffer[] = []
  #length = 0

  constructor(child: ChildProcess) {
    this.#stream = child.stderr as Socket | null
    this.#stream?.on('data', (chunk: Buffer) => this.#keep(chunk))
    this.#stream?.on('error', () => {})
  }

  /** The last 64 KiB. */
  get text(): string {
    return Buffer.concat(this.#chunks).subarray(-KEPT_BYTES).toString().trim()
  }

  /** Its last lines, as a message quotes them. */
  static quote(text: string): string {
    return text.split('\n').slice(-QUOTED_LINES).join('\n').slice(-QUOTED_CHARACTERS)
  }

  /** Listening alone shall not keep this process alive. */
  unref(): void {
    this.#stream?.unref()
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < 2 * KEPT_BYTES) return
    this.#chunks = [Buffer.from(Buffer.concat(this.#chunks).subarray(-KEPT_BYTES))]
    this.#length = KEPT_BYTES
  }
}
