// A server's context whose model says what a test wants: the chat pipeline, with everything but an engine.

import { SamplingParams } from '../../ts/src/config/index.js'
import type { Engine, EngineRequest, FinishReason, RequestOutput, RequestStream } from '../../ts/src/engine/index.js'
import type { Reply, RouteRequest } from '../../ts/src/server/route.js'
import type { ServerContext } from '../../ts/src/server/server-context.js'
import { parseServerOptions, type ServerOptions } from '../../ts/src/server/server-options.js'

export interface Script {
  /** What each choice says. */
  readonly says: readonly string[]
  /** Where texts are cut: deltas of so many characters. */
  readonly cut?: number
  readonly finishReason?: FinishReason
  readonly template?: string
  readonly options?: ServerOptions
}

export interface Scripted {
  readonly context: ServerContext
  /** What the engine was given. */
  readonly submitted: EngineRequest[]
}

/** A template of the family that writes `<tool_call>` and `<think>`. */
export const HERMES_TEMPLATE =
  '{%- if tools %}<tools>{% endif %}{{ "<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call>" }}'

export function scripted({ says, cut = 3, finishReason = 'stop', template = '', options = {} }: Script): Scripted {
  const submitted: EngineRequest[] = []
  const engine = {
    maxModelLen: 1000,
    modelInfo: { eosTokenIds: [1], vocabSize: 256, generationDefaults: {} },
    defaultSamplingParams: new SamplingParams(),
    schedulingPolicy: 'fcfs',
    hasTokenizer: true,
    chatTemplateSource: () => template,
    longestToken: 16,
    renderLongChat: async () => 'PROMPT',
    encode: async (texts: readonly string[]) => texts.map(text => Int32Array.from(text, (_, index) => index % 256)),
    decode: () => '',
  }
  const context = {
    engine: engine as unknown as Engine,
    modelNames: ['scripted'],
    config: parseServerOptions(options),
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    clock: { now: () => 1_700_000_000_000 },
    checkModel: () => {},
    submit: (request: EngineRequest) => {
      submitted.push(request)
      return new ScriptedStream(request, says, cut, finishReason)
    },
  }
  return { context: context as unknown as ServerContext, submitted }
}

export function routeRequest(body: object): RouteRequest {
  return {
    requestId: 'r',
    headers: new Headers(),
    params: {},
    query: new URLSearchParams(),
    body: body as Readonly<Record<string, unknown>>,
    signal: new AbortController().signal,
  }
}

/** All events of a reply: parsed, but for `[DONE]`. */
// biome-ignore lint/suspicious/noExplicitAny: bodies that tests look into
export function eventsOf(reply: Reply): any[] {
  if (reply.kind !== 'events') throw new Error('The reply is no stream.')
  let text = ''
  reply.events.start({
    send: frame => {
      text += frame
      return true
    },
    onDrain: () => {},
    end: () => {},
  })
  return text
    .trimEnd()
    .split('\n\n')
    .map(frame => frame.slice('data: '.length))
    .map(data => (data === '[DONE]' ? data : JSON.parse(data)))
}

/** Says one delta of each choice whenever it is asked. */
class ScriptedStream implements RequestStream {
  readonly requestId: string
  readonly admitted = Promise.resolve()
  readonly error = undefined
  ended = false
  readonly #request: EngineRequest
  readonly #says: readonly string[]
  readonly #cut: number
  readonly #finishReason: FinishReason
  #at = 0

  constructor(request: EngineRequest, says: readonly string[], cut: number, finishReason: FinishReason) {
    this.requestId = request.requestId
    this.#request = request
    this.#says = says
    this.#cut = cut
    this.#finishReason = finishReason
  }

  onNews(listener: () => void): void {
    while (!this.ended) listener()
  }

  take(): RequestOutput | undefined {
    if (this.ended) return undefined
    const start = this.#at
    this.#at += this.#cut
    const longest = Math.max(...this.#says.map(({ length }) => length))
    this.ended = this.#at >= longest
    return this.#output(start, this.#at, this.ended)
  }

  async final(): Promise<RequestOutput> {
    this.ended = true
    return this.#output(0, Number.POSITIVE_INFINITY, true)
  }

  abort(): void {
    this.ended = true
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RequestOutput, void, undefined> {
    for (let output = this.take(); output !== undefined; output = this.take()) yield output
  }

  /** A character is a token. */
  #output(start: number, end: number, finished: boolean): RequestOutput {
    return {
      requestId: this.requestId,
      prompt: this.#request.prompt,
      promptTokenIds: Array.from(this.#request.promptTokenIds),
      promptLogprobs: null,
      finished,
      numCachedTokens: 0,
      metrics: { arrivalMs: 0, firstScheduledMs: 0, firstTokenMs: 0, lastTokenMs: 0 },
      outputs: this.#says.map((whole, index) => {
        const text = whole.slice(start, end)
        return {
          index,
          text,
          tokenIds: Array.from(text, () => 5),
          cumulativeLogprob: null,
          logprobs: null,
          finishReason: finished ? this.#finishReason : null,
          stopReason: null,
        }
      }),
    }
  }
}
