// A server that speaks OpenAI's API, at `http://host:port/v1`.

import {
  type CompletionAsk,
  chatBody,
  completionBody,
  EventSplitter,
  readErrorMessage,
  readModelList,
  readStreamEvent,
  type StreamEvent,
  samplingBody,
  type WireSampling,
} from '../../bench/index.js'
import type { ChatMessage } from '../../engine/index.js'
import { InvalidArgumentError, RequestAbortedError, ServerError } from '../../errors.js'
import type { Answerer, AnswerPiece } from './answerer.js'

export interface ServerOptions {
  /** With the version: `http://localhost:8000/v1`. */
  readonly url: string
  /** Default: the first that the server lists. */
  readonly model?: string
  readonly apiKey?: string
  readonly sampling: WireSampling
}

export class ServerAnswerer implements Answerer {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #ask: CompletionAsk
  /** What the answer is about, for errors. */
  readonly #place: string

  private constructor(options: ServerOptions, url: string, model: string) {
    this.#url = url
    this.#headers = headersOf(options)
    this.#place = new URL(url).host
    this.#ask = { model, extraBody: samplingBody(options.sampling) }
  }

  /** @throws InvalidArgumentError for a URL that is none, ServerError if the server names no model. */
  static async create(options: ServerOptions, signal?: AbortSignal): Promise<ServerAnswerer> {
    const url = options.url.replace(/\/+$/, '')
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new InvalidArgumentError('url', 'A server is named by a URL such as http://localhost:8000/v1.', options.url)
    }
    const model = options.model ?? (await firstModel(url, headersOf(options), signal))
    return new ServerAnswerer(options, url, model)
  }

  answer(messages: readonly ChatMessage[], signal: AbortSignal): AsyncIterable<AnswerPiece> {
    const wire = messages.map(({ role, content }) => ({ role, content: content ?? '' }))
    return this.#stream('/chat/completions', chatBody(wire, this.#ask), signal)
  }

  complete(prompt: string, signal: AbortSignal): AsyncIterable<AnswerPiece> {
    return this.#stream('/completions', completionBody(prompt, this.#ask), signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<AnswerPiece, void, undefined> {
    const headers = { ...this.#headers, 'Content-Type': 'application/json', Accept: 'text/event-stream' }
    const request = { method: 'POST', headers, body: JSON.stringify(body), signal }
    try {
      const response = await fetch(`${this.#url}${path}`, request)
      if (!response.ok) throw refused(response.status, await response.text(), this.#url)
      let counted = 0
      for await (const event of eventsOf(response)) {
        if (event.error !== undefined) throw new ServerError(`The server ended the answer: ${event.error}`)
        const { text, reasoning, usage } = event
        // The server's own count, where it comes, corrects that of the events.
        const numTokens: number = usage?.completionTokens === undefined ? 1 : usage.completionTokens - counted
        if (text === '' && reasoning === '' && usage === undefined) continue
        counted += numTokens
        yield { text, reasoning, numTokens }
      }
    } catch (error) {
      throw signal.aborted
        ? new RequestAbortedError(undefined, { cause: signal.reason })
        : unreachable(error, this.#place)
    }
  }
}

async function* eventsOf(response: Response): AsyncGenerator<StreamEvent, void, undefined> {
  const ready: StreamEvent[] = []
  const splitter = new EventSplitter((bytes, start, end) => {
    const data = bytes.toString('utf8', start, end)
    if (data !== '[DONE]') ready.push(readStreamEvent(data))
  })
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    splitter.push(bytes, 0, bytes.length)
    yield* ready.splice(0)
  }
}

async function firstModel(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<string> {
  let response: Response
  let text: string
  try {
    response = await fetch(`${url}/models`, { headers, ...(signal && { signal }) })
    text = await response.text()
  } catch (error) {
    throw unreachable(error, new URL(url).host)
  }
  if (!response.ok) throw refused(response.status, text, url)
  const [model] = readModelList(text)
  if (model === undefined) throw new ServerError('The server lists no model: --model-name NAME names one.')
  return model.id
}

function headersOf({ apiKey }: ServerOptions): Record<string, string> {
  return apiKey === undefined || apiKey === '' ? {} : { Authorization: `Bearer ${apiKey}` }
}

function refused(status: number, body: string, url: string): ServerError {
  const isVersioned = /\/v\d+$/.test(url)
  const hint = status === 404 && !isVersioned ? ` Perhaps the URL should end with a version: ${url}/v1.` : ''
  const message = `The server answered with HTTP ${status}: ${readErrorMessage(body)}${hint}`
  return new ServerError(message, { details: { status } })
}

function unreachable(error: unknown, place: string): Error {
  if (error instanceof ServerError) return error
  const { message, cause } = error as Error
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : message
  return new ServerError(`The server at ${place} does not answer: ${reason}`, { cause: error })
}
