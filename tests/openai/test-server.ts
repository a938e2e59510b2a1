// A server over the bundled model, for tests: as a handler without sockets, and on a socket of its own.

import { setTimeout as delay } from 'node:timers/promises'
import type { CreateOptions } from '../../ts/src/engine/index.js'
import { Engine } from '../../ts/src/engine/node-engine.js'
import { createHandler, NodeServer, type NodeServerOptions, type WebHandler } from '../../ts/src/server/index.js'
import { until } from '../server/served-engine.js'

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any endpoint, which tests look into
  readonly body: any
}

/** Asks a handler as clients would. */
export class TestHandler {
  readonly engine: Engine
  readonly handler: WebHandler

  private constructor(engine: Engine, handler: WebHandler) {
    this.engine = engine
    this.handler = handler
  }

  static async create(options: NodeServerOptions = {}, engineOptions: CreateOptions = {}): Promise<TestHandler> {
    const engine = await Engine.create({ numBlocks: 800, seed: 3, threads: 1, ...engineOptions }, 'inline')
    return new TestHandler(engine, createHandler(engine, options))
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await this.send(path, body, headers)
    return { status: response.status, body: await response.json() }
  }

  /** The events of a stream: parsed, but for `[DONE]`. */
  async stream(path: string, body: object): Promise<readonly Answer['body'][]> {
    const response = await this.send(path, { ...body, stream: true })
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
    const text = await response.text()
    return text
      .trimEnd()
      .split('\n\n')
      .map(frame => frame.slice('data: '.length))
      .map(data => (data === '[DONE]' ? data : JSON.parse(data)))
  }

  send(path: string, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
    return this.handler(
      new Request(`http://localhost${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        ...(signal !== undefined && { signal }),
      }),
    )
  }
}

export interface ListeningServer {
  readonly engine: Engine
  readonly baseUrl: string
  close(): Promise<void>
}

/** As `quire serve` would: the loop in a thread of its own, HTTP on a socket. */
export async function listen(
  options: NodeServerOptions = {},
  engineOptions: CreateOptions = {},
): Promise<ListeningServer> {
  const engine = await Engine.create({ numBlocks: 3000, seed: 3, threads: 1, ...engineOptions })
  const server = await NodeServer.listen(engine, { host: '127.0.0.1', port: 0, ...options })
  return {
    engine,
    baseUrl: `${server.url}/v1`,
    close: async () => {
      await server.close()
      await engine.close()
    },
  }
}

/** Calls while the engine stands still, and leaves once it has the request, which so cannot end before. What the call gives. */
export async function leftInTheMiddle<T>(
  engine: Pick<Engine, 'pause' | 'resume' | 'numRequests'>,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  await engine.pause('keep')
  try {
    const reply = call(controller.signal)
    reply.catch(() => {})
    await until('the engine has the request', () => engine.numRequests > 0)
    controller.abort()
    return await reply
  } finally {
    engine.resume()
  }
}

/** Waits until nothing runs and every block is free; false if that does not come. */
export async function allFree(engine: Engine): Promise<boolean> {
  for (const end = performance.now() + 120_000; performance.now() < end; ) {
    const { numRunning, numWaiting, numFreeBlocks, numUsableBlocks } = engine.stats()
    if (numRunning + numWaiting === 0 && numFreeBlocks === numUsableBlocks) return true
    await delay(5)
  }
  return false
}
