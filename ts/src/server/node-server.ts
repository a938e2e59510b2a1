// The server on node's own sockets: HTTP, HTTPS, unix sockets. Event streams go to the socket without web streams in between.

import {
  createServer,
  type ServerOptions as HttpOptions,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Engine } from '../engine/index.js'
import type { OutgoingReply } from './dispatcher.js'
import { type ListenConfig, type ListenOptions, listenNames, parseListenOptions } from './listen-options.js'
import { discardBody, nodeBody } from './node-body.js'
import { NodeConnections } from './node-connections.js'
import { RequestError } from './request-error.js'
import type { HeaderReader } from './route.js'
import { ServerCore } from './server-core.js'
import { parseModelNames, parseServerOptions, type ServerOptions } from './server-options.js'
import { SocketEventSink } from './socket-event-sink.js'
import { removeStaleSocket } from './stale-socket.js'
import { isEventSource } from './web-handler.js'

/** Everything that a server on a socket can be told. */
export interface NodeServerOptions extends ServerOptions, ListenOptions {}

/** How a server comes to its end. */
export interface CloseOptions {
  /** Milliseconds that running requests have to come to their end; 0: they are ended at once. Default 0. */
  readonly timeoutMs?: number
}

/** Connections that wait to be accepted. */
const BACKLOG = 4096
/** Milliseconds between looks at connections that are too slow. */
const TIMEOUT_CHECK_MS = 1000
/** Milliseconds that replies to aborted requests have to leave. */
const FAREWELL_MS = 1000

/** An OpenAI server over an engine, on a port or a unix socket of this process. */
export class NodeServer {
  readonly #core: ServerCore
  readonly #config: ListenConfig
  readonly #server: Server
  readonly #connections = new NodeConnections()
  #closing: Promise<void> | undefined

  private constructor(engine: Engine, options: NodeServerOptions) {
    const { listen, rest } = split(options)
    this.#config = parseListenOptions(listen)
    this.#core = new ServerCore(engine, rest)
    this.#server = this.#makeServer()
  }

  /** Nothing, if the options are right: before a model is loaded for them. @throws InvalidArgumentError naming the option. */
  static check(options: NodeServerOptions): void {
    const { listen, rest } = split(options)
    parseListenOptions(listen)
    parseServerOptions(rest)
    parseModelNames(rest)
  }

  /**
   * Serves `engine`, which stays the caller's.
   * @throws InvalidArgumentError naming the option; the system's error if it cannot listen.
   */
  static async listen(engine: Engine, options: NodeServerOptions = {}): Promise<NodeServer> {
    const server = new NodeServer(engine, options)
    await server.#core.tracingLoaded
    await server.#listen()
    return server
  }

  /** Where it can be reached, such as `http://localhost:8000`. */
  get url(): string {
    const address = this.#server.address()
    if (typeof address === 'string') return `unix:${address}`
    const { port, address: host, family } = address as AddressInfo
    const scheme = this.#config.tls === undefined ? 'http' : 'https'
    const isAny = host === '::' || host === '0.0.0.0'
    const name = isAny ? 'localhost' : family === 'IPv6' ? `[${host}]` : host
    return `${scheme}://${name}:${port}`
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** @internal What the server is made of: for the command line and tests. */
  get core(): ServerCore {
    return this.#core
  }

  /** Stops listening. What runs has `timeoutMs` to come to its end, and is ended then. */
  close({ timeoutMs = 0 }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#core.drain()
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const { dispatcher } = this.#core
    if (timeoutMs > 0) await within(dispatcher.idle(), timeoutMs)
    this.#core.abortAll()
    await within(dispatcher.idle(), FAREWELL_MS)
    this.#server.closeAllConnections()
    await closed
    this.#core.leaveEngine()
  }

  #makeServer(): Server {
    const { tls, maxConnections, maxHeaderBytes, maxHeaders, headersTimeoutMs, keepAliveTimeoutMs } = this.#config
    const { bodyTimeoutMs } = this.#core.context.config.gate
    const options: HttpOptions = {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      // The body's own limit comes first, with a better answer.
      requestTimeout: bodyTimeoutMs === 0 ? 0 : headersTimeoutMs + bodyTimeoutMs + TIMEOUT_CHECK_MS,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, headersTimeoutMs),
      keepAliveTimeout: keepAliveTimeoutMs,
      noDelay: true,
    }
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#answer(request, response).catch((error: unknown) => this.#fail(response, error))
    }
    const server =
      tls === undefined
        ? createServer(options)
        : createTlsServer({ ...options, ...tls, rejectUnauthorized: tls.requestCert === true })
    // One more than is taken, so that too many can be told from just enough.
    server.maxHeadersCount = maxHeaders + 1
    server.maxConnections = maxConnections
    server.on('request', onRequest)
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      if (Number(request.headers['content-length'] ?? 0) <= this.#core.context.config.gate.maxBodyBytes)
        response.writeContinue()
      onRequest(request, response)
    })
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#connections.add(socket)
      this.#core.dispatcher.connected()
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#refuse(error, socket))
    return server
  }

  async #listen(): Promise<void> {
    const { host, port, uds } = this.#config
    if (uds !== undefined) await removeStaleSocket(uds)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      const where = uds === undefined ? { port, ...(host !== undefined && { host }) } : { path: uds }
      this.#server.listen({ ...where, backlog: BACKLOG }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', error =>
          this.#core.context.logger.error({ err: error }, 'the listening socket failed'),
        )
        resolve()
      })
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    const { maxHeaders } = this.#config
    if (this.#core.context.operations.draining) response.shouldKeepAlive = false
    const controller = this.#connections.begin(socket)
    if (request.rawHeaders.length > maxHeaders * 2) {
      this.#connections.end(socket, controller)
      const error = new RequestError(431, `The request has more than ${maxHeaders} headers.`)
      send(response, 431, { 'content-type': 'application/json', connection: 'close' }, JSON.stringify(error.body))
      return
    }
    const reply = await this.#core.dispatcher.answer({
      method: request.method ?? 'GET',
      target: request.url ?? '/',
      headers: headersOf(request),
      body: () => nodeBody(request),
      controller,
    })
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      this.#connections.end(socket, controller)
      reply.done()
    }
    this.#deliver(request, response, reply, over)
  }

  #deliver(request: IncomingMessage, response: ServerResponse, reply: OutgoingReply, over: () => void): void {
    const { status, headers, content } = reply
    response.once('finish', over)
    response.once('close', over)
    if (response.destroyed || request.socket.destroyed) {
      if (isEventSource(content)) content.cancel()
      over()
      return
    }
    const { gate } = this.#core.context.config
    if (!isEventSource(content)) {
      // A reader that takes nothing for so long keeps neither the reply nor the connection.
      response.setTimeout(gate.stallTimeoutMs, () => response.destroy())
      send(response, status, headers, content)
      discardBody(request)
      return
    }
    response.writeHead(status, headers)
    response.once('close', () => {
      if (!response.writableEnded) content.cancel()
    })
    content.start(new SocketEventSink(response, gate))
  }

  /** What came is no request, or came too slowly. */
  #refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === 'ECONNRESET' || this.#connections.isBusy(socket)) {
      socket.destroy()
      return
    }
    const { status, reason, message } = refusals[error.code ?? ''] ?? malformed
    const body = JSON.stringify(new RequestError(status, message).body)
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    )
  }

  /** A bug: the dispatcher answers for all else. */
  #fail(response: ServerResponse, error: unknown): void {
    this.#core.context.logger.error({ err: error }, 'a reply could not be delivered')
    response.destroy()
  }
}

const malformed = { status: 400, reason: 'Bad Request', message: 'The request is not valid HTTP.' }

const refusals: Readonly<Record<string, typeof malformed>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'Request Header Fields Too Large',
    message: "The request's headers are too large.",
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: 'Request Timeout', message: 'The request did not come in time.' },
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  content: string | Uint8Array | undefined,
): void {
  const length = content === undefined ? 0 : typeof content === 'string' ? Buffer.byteLength(content) : content.length
  response.writeHead(status, status === 204 ? headers : { ...headers, 'content-length': String(length) })
  response.end(content)
}

function headersOf({ headers }: IncomingMessage): HeaderReader {
  return {
    get: name => {
      const value = headers[name]
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
    },
  }
}

/** What is for the socket, and what is for the server behind it. */
function split(options: NodeServerOptions): { readonly listen: ListenOptions; readonly rest: ServerOptions } {
  const isListen = ([name]: readonly [string, unknown]) => Object.hasOwn(listenNames, name)
  const entries = Object.entries(options)
  return {
    listen: Object.fromEntries(entries.filter(isListen)),
    rest: Object.fromEntries(entries.filter(entry => !isListen(entry))),
  }
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, over])
  clearTimeout(timer)
}
