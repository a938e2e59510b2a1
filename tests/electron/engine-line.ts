// The example's engine process as a program beside it starts it: a child of `child_process.fork`, and what is said on its line.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export interface LineMessage {
  readonly kind: 'ready' | 'failed' | 'delta' | 'end' | 'error'
  readonly id?: number
  readonly text?: string
  readonly code?: string
  readonly message?: string
  readonly model?: string
  readonly finishReason?: string | null
  readonly numTokens?: number
}

const LIMIT_MS = 120_000

export class EngineLine {
  readonly #child: ChildProcess
  readonly #heard: LineMessage[] = []
  #wake = () => {}
  #stderr = ''

  constructor(program: string, options: { execArgv?: string[]; env?: Readonly<Record<string, string>> } = {}) {
    const { execArgv = [], env = {} } = options
    const kept = Object.entries(process.env).filter(([name]) => !/^(QUIRE_|NODE_OPTIONS)/.test(name))
    this.#child = fork(program, [], { execArgv, silent: true, env: { ...Object.fromEntries(kept), ...env } })
    this.#child.on('message', message => {
      this.#heard.push(message as LineMessage)
      this.#wake()
    })
    this.#child.on('exit', () => this.#wake())
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
  }

  say(message: object): void {
    this.#child.send(message)
  }

  /** The next message. @throws if the process ends without one. */
  async next(): Promise<LineMessage> {
    const limit = AbortSignal.timeout(LIMIT_MS)
    for (;;) {
      const message = this.#heard.shift()
      if (message !== undefined) return message
      if (this.#child.exitCode !== null) throw new Error(`exit code ${this.#child.exitCode}: ${this.#stderr}`)
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        limit.onabort = () => reject(new Error(`Nothing was said: ${this.#stderr}`))
      })
    }
  }

  /** All that is said of a chat, its end included. */
  async chat(id: number, content: string, sampling: object): Promise<LineMessage[]> {
    this.say({ kind: 'chat', id, messages: [{ role: 'user', content }], sampling })
    return this.untilEndOf(id)
  }

  async untilEndOf(id: number): Promise<LineMessage[]> {
    const said: LineMessage[] = []
    for (;;) {
      const message = await this.next()
      if (message.id !== id) throw new Error(`${message.kind} of ${message.id}, not of ${id}`)
      said.push(message)
      if (message.kind !== 'delta') return said
    }
  }

  /** Asks it to end. @returns its exit code. */
  async close(): Promise<number | null> {
    if (this.#child.exitCode !== null) return this.#child.exitCode
    const ended = once(this.#child, 'exit')
    this.say({ kind: 'close' })
    await ended
    return this.#child.exitCode
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
