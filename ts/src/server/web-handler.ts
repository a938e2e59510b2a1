// The server as a function from a web `Request` to a `Response`: for Hono, Bun.serve, Deno.serve, Next, Electron, and tests
// without sockets.

import type { Engine } from '../engine/index.js'
import type { BodyChunks } from './body-reader.js'
import type { OutgoingReply } from './dispatcher.js'
import type { EventSource } from './route.js'
import { ServerCore } from './server-core.js'
import type { ServerOptions } from './server-options.js'
import { webEventStream } from './web-event-stream.js'

/** A function from a request to its response, as Hono, Bun, Deno and service workers know it. Its signal ends the request. */
export type WebHandler = (request: Request) => Promise<Response>

/**
 * An OpenAI server over `engine`. The engine stays the caller's, who closes it.
 * @throws InvalidArgumentError naming the option.
 */
export function createHandler(engine: Engine, options: ServerOptions = {}): WebHandler {
  return handlerOver(new ServerCore(engine, options))
}

/** @internal The handler over what a server is made of: for tests. */
export function handlerOver(core: ServerCore): WebHandler {
  const { gate } = core.context.config
  return async request => {
    const controller = new AbortController()
    const { signal } = request
    let leaveStream = (): void => {}
    // The stream first: it must not get to read what the engine says of the abort.
    const leave = (): void => {
      leaveStream()
      controller.abort()
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    const { pathname, search } = new URL(request.url)
    const reply = await core.dispatcher.answer({
      method: request.method,
      target: `${pathname}${search}`,
      headers: request.headers,
      body: () => chunksOf(request.body),
      controller,
    })
    const done = (): void => {
      signal.removeEventListener('abort', leave)
      reply.done()
    }
    const { status, headers, content } = reply
    if (isEventSource(content)) {
      const { stallTimeoutMs, maxUnsentBytes } = gate
      const onBegin = (leaveIt: () => void): void => {
        leaveStream = leaveIt
        if (signal.aborted) leaveIt()
      }
      const body = webEventStream(content, { stallTimeoutMs, maxUnsentBytes, onBegin, done })
      return new Response(body, { status, headers })
    }
    done()
    return new Response(bodyOf(content), { status, headers })
  }
}

/** @internal Whether a reply is a stream of events. */
export function isEventSource(content: OutgoingReply['content']): content is EventSource {
  return typeof content === 'object' && 'start' in content
}

function bodyOf(content: string | Uint8Array | undefined): string | Uint8Array<ArrayBuffer> | null {
  if (content === undefined || typeof content === 'string') return content ?? null
  return new Uint8Array(content)
}

async function* noChunks(): AsyncGenerator<Uint8Array, undefined, undefined> {}

/** By a reader, whose `read` is asked for one chunk at a time; the rest of a body that is too large is left unread. */
function chunksOf(body: ReadableStream<Uint8Array> | null): BodyChunks {
  if (body === null) return noChunks()
  const reader = body.getReader()
  return { next: () => reader.read() as Promise<IteratorResult<Uint8Array, unknown>> }
}
