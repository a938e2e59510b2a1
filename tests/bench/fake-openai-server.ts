// A server that speaks OpenAI's completions by a script: so many tokens, at such a pace, with such faults.

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface FakeAnswer {
  /** Default: as many as the request asks for. */
  readonly tokens?: number
  readonly firstTokenMs?: number
  readonly perTokenMs?: number
  /** Default true. */
  readonly usage?: boolean
  /** Before the first token, as some servers open a chat. */
  readonly opensFirst?: boolean
  /** Instead of a stream. */
  readonly status?: number
  /** After so many tokens the connection is cut. */
  readonly cutAfter?: number
  /** After so many tokens an error comes as an event. */
  readonly errorAfter?: number
  /** Close the connection after the answer. */
  readonly close?: boolean
  /** The text of token `index`. */
  readonly text?: (index: number) => string
}

export interface SeenRequest {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
}

export interface FakeServer {
  readonly port: number
  readonly seen: readonly SeenRequest[]
  /** Most requests that were under way at once. */
  readonly mostAtOnce: number
  readonly connections: number
  close(): Promise<void>
}

export interface FakePlace {
  /** On a Unix socket. */
  readonly socketPath?: string
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer }
}

/** `answer` gets the number of the request, from 0. */
export async function startFakeServer(
  answer: (index: number) => FakeAnswer = () => ({}),
  { socketPath, tls }: FakePlace = {},
): Promise<FakeServer> {
  const seen: SeenRequest[] = []
  let [running, mostAtOnce, connections] = [0, 0, 0]
  const listener: RequestListener = (request, response) => {
    running += 1
    mostAtOnce = Math.max(mostAtOnce, running)
    response.on('close', () => {
      running -= 1
    })
    void readBody(request).then(body => {
      if (request.method === 'GET') return listModels(response)
      seen.push({ path: request.url ?? '', headers: request.headers, body })
      return stream(response, body, request.url?.includes('chat') === true, answer(seen.length - 1))
    })
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  server.keepAliveTimeout = 0 // what a client keeps is open when it uses it again
  server.on(tls === undefined ? 'connection' : 'secureConnection', () => {
    connections += 1
  })
  await new Promise<void>(resolve => server.listen(socketPath ?? { port: 0, host: '127.0.0.1' }, () => resolve()))
  return {
    port: socketPath === undefined ? (server.address() as AddressInfo).port : 0,
    seen,
    get mostAtOnce() {
      return mostAtOnce
    },
    get connections() {
      return connections
    },
    close: () => {
      server.closeAllConnections()
      return new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const part of request) text += part
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

function listModels(response: ServerResponse): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ object: 'list', data: [{ id: 'fake-model', object: 'model' }] }))
}

async function stream(
  response: ServerResponse,
  body: Record<string, unknown>,
  chat: boolean,
  answer: FakeAnswer,
): Promise<void> {
  const { status, firstTokenMs = 0, perTokenMs = 0, usage = true, opensFirst, cutAfter, errorAfter } = answer
  if (status !== undefined) {
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ error: { message: `refused with ${status}`, type: 'x', code: status } }))
    return
  }
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const pause = (ms: number) => sleep(ms, undefined, { signal: gone.signal }).catch(() => {})
  const tokens = answer.tokens ?? Number(body.max_tokens ?? body.max_completion_tokens)
  const send = (value: unknown) => response.write(`data: ${JSON.stringify(value)}\n\n`)
  response.writeHead(200, { 'Content-Type': 'text/event-stream', ...(answer.close && { Connection: 'close' }) })
  response.flushHeaders()
  const choice = (content: string, finish: string | null) =>
    chat ? { index: 0, delta: { content }, finish_reason: finish } : { index: 0, text: content, finish_reason: finish }
  if (opensFirst) send({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] })
  if (firstTokenMs > 0) await pause(firstTokenMs)
  for (let index = 0; index < tokens; index += 1) {
    if (index > 0 && perTokenMs > 0) await pause(perTokenMs)
    if (gone.signal.aborted) return
    if (index === cutAfter) {
      response.destroy()
      return
    }
    if (index === errorAfter) {
      send({ error: { message: 'the model fell over', type: 'InternalServerError', code: 500 } })
      break
    }
    send({
      choices: [choice(answer.text?.(index) ?? ` token${index}`, index === tokens - 1 ? 'length' : null)],
      usage: null,
    })
  }
  if (usage) send({ choices: [], usage: { prompt_tokens: 7, completion_tokens: tokens, total_tokens: tokens + 7 } })
  response.write('data: [DONE]\n\n')
  response.end()
}
