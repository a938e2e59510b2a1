// `quire chat`: a conversation in the terminal. Ctrl-C stops the answer, not the program; Ctrl-D or /exit ends it.

import { createInterface, type Interface } from 'node:readline'
import type { SamplingParams } from '../config/index.js'
import { EngineError, RequestAbortedError } from '../errors.js'
import { LLM } from '../llm.js'
import type { ChatMessage } from '../engine/index.js'
import { announce } from './announce.js'
import type { ExitCode } from './main.js'
import { engineRows, helpOf, type OptionRow, parseOptions, samplingRows } from './options.js'
import type { Streams } from './streams.js'

const DEFAULT_MAX_TOKENS = 1024

const ownRows: readonly OptionRow[] = [
  { name: 'system', kind: 'text', value: 'TEXT', help: 'a system message that begins the conversation' },
]
const rows = [...ownRows, ...samplingRows.filter(({ name }) => name !== 'n' && name !== 'logprobs'), ...engineRows]

const commandsHelp = '/clear forgets the conversation, /exit or Ctrl-D ends, Ctrl-C stops an answer.'

export const chatCommand = {
  summary: 'talk in the terminal',
  help: `Usage: quire chat [options]\n\nTalks in the terminal. ${commandsHelp}\n\nOptions:\n${helpOf(rows)}\n`,
  run: chat,
}

async function chat(args: readonly string[], streams: Streams): Promise<ExitCode> {
  const { engine, sampling, own } = parseOptions(args, rows)
  await using llm = await LLM.create(engine)
  announce(llm, streams)
  const params = llm.defaultSamplingParams.with({ maxTokens: DEFAULT_MAX_TOKENS, ...sampling })
  const opening: readonly ChatMessage[] =
    typeof own.system === 'string' ? [{ role: 'system', content: own.system }] : []
  await new Conversation(llm, params, opening, streams).run()
  return 0
}

/** The messages so far, and the answer that may be running. */
class Conversation {
  readonly #llm: LLM
  readonly #params: SamplingParams
  readonly #opening: readonly ChatMessage[]
  readonly #streams: Streams
  readonly #terminal: Interface
  #messages: ChatMessage[]
  #answering: AbortController | undefined

  constructor(llm: LLM, params: SamplingParams, opening: readonly ChatMessage[], streams: Streams) {
    this.#llm = llm
    this.#params = params
    this.#opening = opening
    this.#messages = [...opening]
    this.#streams = streams
    const isTerminal = streams.stdin.isTTY === true && streams.stdout.isTTY === true
    this.#terminal = createInterface({
      input: streams.stdin,
      output: isTerminal ? streams.stdout : undefined,
      prompt: '> ',
      terminal: isTerminal,
    })
  }

  async run(): Promise<void> {
    const interrupt = (): void => this.#interrupt()
    this.#terminal.on('SIGINT', interrupt)
    process.on('SIGINT', interrupt)
    try {
      if (this.#isTerminal) this.#streams.stdout.write(`${commandsHelp}\n`)
      this.#prompt()
      for await (const line of this.#terminal) {
        const text = line.trim()
        if (text === '/exit') break
        if (text === '/clear') this.#messages = [...this.#opening]
        else if (text !== '') await this.#answer(text)
        this.#prompt()
      }
    } finally {
      process.off('SIGINT', interrupt)
      this.#terminal.close()
    }
  }

  get #isTerminal(): boolean {
    return this.#terminal.terminal
  }

  #prompt(): void {
    if (this.#isTerminal) this.#terminal.prompt()
  }

  /** Stops the answer that is running; without one, says how to leave. */
  #interrupt(): void {
    if (this.#answering !== undefined) this.#answering.abort()
    else if (this.#isTerminal) {
      this.#streams.stdout.write(`\n${commandsHelp}\n`)
      this.#prompt()
    } else this.#terminal.close()
  }

  /** A failed answer leaves the conversation as it was; a stopped one keeps what was said. */
  async #answer(text: string): Promise<void> {
    const messages = [...this.#messages, { role: 'user', content: text }]
    this.#answering = new AbortController()
    let answer = ''
    try {
      for await (const delta of this.#llm.stream({ messages }, this.#params, { signal: this.#answering.signal })) {
        const piece = delta.outputs[0]?.text ?? ''
        answer += piece
        this.#streams.stdout.write(piece)
      }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      if (!(error instanceof RequestAbortedError)) {
        this.#streams.stderr.write(`quire: ${error.message} [${error.code}]\n`)
        return
      }
    } finally {
      this.#answering = undefined
      this.#streams.stdout.write('\n')
    }
    this.#messages = [...messages, { role: 'assistant', content: answer }]
  }
}
