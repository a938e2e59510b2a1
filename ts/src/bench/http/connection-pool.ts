// Kept-alive connections over plain sockets. A connection reads into one buffer of its own, and carries one request at a
// time: the least work per token that Node.js allows, so that the load generator takes little from what it measures.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ResponseError, ResponseParser, type ResponseReceiver } from './response-parser.js'
import type { Target } from './target.js'

const READ_BYTES = 16 * 1024

export interface Exchange extends ResponseReceiver {
  /** The response is complete, and its connection free for another request. */
  complete(): void
  /** The response will not come to its end. */
  failed(error: Error): void
}

/** Failures of connections, for whoever counts them. */
export interface ConnectionCounts {
  /** Connections that were opened. */
  opened: number
  /** Connections that the other side reset or refused while a request was on them. */
  resets: number
}

export class ConnectionPool {
  readonly #target: Target
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly counts: ConnectionCounts = { opened: 0, resets: 0 }

  constructor(target: Target) {
    this.#target = target
  }

  /** Sends `bytes` as they are; gives a function that breaks the exchange off. */
  send(bytes: Buffer, exchange: Exchange): () => void {
    const reused = this.#idle.pop()
    if (reused === undefined) return this.#open(bytes, exchange)
    let broken = false
    let stop = reused.send(bytes, exchange, error => {
      // A server may close an idle connection just as it is used: then nothing of the answer has come, and a new one is tried.
      if (!broken) stop = this.#open(bytes, exchange)
      else exchange.failed(error)
    })
    return () => {
      broken = true
      stop()
    }
  }

  #open(bytes: Buffer, exchange: Exchange): () => void {
    this.counts.opened += 1
    const connection = new Connection(this.#target, {
      idle: () => this.#idle.push(connection),
      closed: () => {
        this.#all.delete(connection)
        const index = this.#idle.indexOf(connection)
        if (index >= 0) this.#idle.splice(index, 1)
      },
      reset: () => {
        this.counts.resets += 1
      },
    })
    this.#all.add(connection)
    return connection.send(bytes, exchange, error => exchange.failed(error))
  }

  close(): void {
    for (const connection of this.#all) connection.close()
    this.#idle.length = 0
  }
}

interface ConnectionOwner {
  idle(): void
  closed(): void
  reset(): void
}

class Connection {
  readonly #socket: Socket
  readonly #owner: ConnectionOwner
  #parser: ResponseParser | undefined
  #exchange: Exchange | undefined
  #unanswered: (error: Error) => void = () => {}
  #error: Error | undefined

  constructor(target: Target, owner: ConnectionOwner) {
    this.#owner = owner
    const place =
      target.socketPath === undefined ? { host: target.host, port: target.port } : { path: target.socketPath }
    if (target.tls) {
      this.#socket = connectTls({ ...place, servername: target.host, rejectUnauthorized: target.verify })
      this.#socket.on('data', (bytes: Buffer) => this.#read(bytes, bytes.length))
    } else {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
      const callback = (length: number): boolean => {
        this.#read(buffer, length)
        return true
      }
      this.#socket = connect({ ...place, noDelay: true, onread: { buffer, callback } })
    }
    this.#socket.on('error', error => {
      this.#error = error
      const { code } = error as NodeJS.ErrnoException
      if (this.#exchange !== undefined && /^(ECONNRESET|EPIPE|ECONNREFUSED)$/.test(code ?? '')) owner.reset()
    })
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('close', () => {
      this.#fail(this.#error ?? new ResponseError('the server closed the connection in the middle'))
      owner.closed()
    })
  }

  /** `unanswered` hears of a failure before the first byte of the answer, `exchange.failed` of a later one. */
  send(bytes: Buffer, exchange: Exchange, unanswered: (error: Error) => void): () => void {
    this.#exchange = exchange
    this.#unanswered = unanswered
    this.#parser = new ResponseParser(exchange)
    this.#socket.write(bytes)
    return () => {
      if (this.#exchange === exchange) this.#socket.destroy()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(bytes: Buffer, length: number): void {
    const parser = this.#parser
    try {
      if (parser === undefined) throw new ResponseError('the server answers what nobody asked')
      parser.read(bytes, length)
    } catch (error) {
      this.#fail(error as Error)
      this.close()
      return
    }
    if (parser?.complete) this.#complete(parser)
  }

  #ended(): void {
    const parser = this.#parser
    try {
      parser?.ended()
    } catch (error) {
      this.#fail(error as Error)
    }
    if (parser?.complete) this.#complete(parser)
    this.close()
  }

  #complete({ keepAlive }: ResponseParser): void {
    const exchange = this.#exchange
    this.#parser = undefined
    this.#exchange = undefined
    if (keepAlive && !this.#socket.destroyed) this.#owner.idle()
    else this.close()
    exchange?.complete()
  }

  #fail(error: Error): void {
    const [exchange, parser] = [this.#exchange, this.#parser]
    this.#exchange = undefined
    this.#parser = undefined
    if (exchange === undefined) return
    if (parser?.begun) exchange.failed(error)
    else this.#unanswered(error)
  }
}
