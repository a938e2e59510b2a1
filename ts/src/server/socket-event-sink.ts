// An event stream on a socket of node:http: frames go from the engine's step to the socket without a promise or a stream in
// between.

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { EventSink } from './route.js'
import { StallWatch } from './stall-watch.js'

/** Bytes that may lie before the socket until its source is told to wait. */
const HIGH_WATER_BYTES = 64 << 10

export interface SocketSinkOptions {
  readonly stallTimeoutMs: number
  readonly maxUnsentBytes: number
}

export class SocketEventSink implements EventSink {
  readonly #response: ServerResponse
  readonly #maxUnsentBytes: number
  readonly #watch: StallWatch
  readonly #writesChunks: boolean
  #socket: Socket | undefined
  #drained: () => void = () => {}
  #isOver = false

  /** The head of the response is sent here. */
  constructor(response: ServerResponse, { stallTimeoutMs, maxUnsentBytes }: SocketSinkOptions) {
    this.#response = response
    this.#maxUnsentBytes = maxUnsentBytes
    this.#watch = new StallWatch(stallTimeoutMs, () => response.destroy())
    response.flushHeaders()
    // HTTP/1.0 has no chunks, and the body ends with the connection.
    this.#writesChunks = response.chunkedEncoding
    response.once('close', () => this.#close())
  }

  send(frame: string): boolean {
    if (this.#isOver || this.#response.destroyed) return false
    const socket = this.#ownSocket()
    // Before a pipelined response's turn it has no socket; node keeps what is written until then.
    if (socket === undefined) this.#response.write(frame)
    else if (this.#writesChunks) writeChunk(socket, frame)
    else socket.write(frame)
    return this.#hasRoom(socket)
  }

  onDrain(listener: () => void): void {
    this.#drained = listener
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#watch.caughtUp()
    this.#response.end()
  }

  #hasRoom(socket: Socket | undefined): boolean {
    const unsent = socket?.writableLength ?? this.#response.writableLength
    if (unsent <= HIGH_WATER_BYTES) return true
    if (unsent > this.#maxUnsentBytes) this.#response.destroy()
    else this.#watch.behind()
    return false
  }

  #ownSocket(): Socket | undefined {
    if (this.#socket !== undefined) return this.#socket
    const { socket } = this.#response
    if (socket === null) return undefined
    this.#socket = socket
    socket.on('drain', this.#onDrain)
    return socket
  }

  readonly #onDrain = (): void => {
    this.#watch.caughtUp()
    this.#drained()
  }

  #close(): void {
    this.#isOver = true
    this.#watch.caughtUp()
    this.#socket?.off('drain', this.#onDrain)
  }
}

/** One chunk of the chunked coding in one write: node's own takes four, gathered a tick later. */
function writeChunk(socket: Socket, frame: string): void {
  const length = Buffer.byteLength(frame)
  const chunk = `${length.toString(16)}\r\n${frame}\r\n`
  // ASCII, as most frames are, is copied rather than encoded.
  socket.write(chunk, length === frame.length ? 'latin1' : 'utf8')
}
