// A client that writes and reads bytes as it likes: slow, silent, half closed, hostile.

import { connect, type NetConnectOpts, type Socket } from 'node:net'

export class RawClient {
  readonly socket: Socket
  received = ''
  isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.received += text
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  static connect(where: NetConnectOpts): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(where, () => resolve(new RawClient(socket)))
      socket.once('error', reject)
    })
  }

  write(text: string): void {
    this.socket.write(text)
  }

  /** Stops reading: what the server sends fills the buffers of the system, then those of the server. */
  stopReading(): void {
    this.socket.pause()
  }

  readOn(): void {
    this.socket.resume()
  }
}

/** A POST as its bytes. */
export function posted(path: string, body: string, headers: readonly string[] = []): string {
  const head = [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...headers]
  return `${head.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** The body of a chunked response, whose bytes were read as Latin-1. */
export function unchunked(received: string): string {
  let rest = received.slice(received.indexOf('\r\n\r\n') + 4)
  let body = ''
  while (rest !== '') {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.slice(0, end), 16)
    if (Number.isNaN(length)) throw new Error(`not a chunk: ${rest.slice(0, 80)}`)
    if (length === 0) return Buffer.from(body, 'latin1').toString()
    body += rest.slice(end + 2, end + 2 + length)
    if (rest.slice(end + 2 + length, end + 4 + length) !== '\r\n')
      throw new Error('a chunk has another length than it says')
    rest = rest.slice(end + 4 + length)
  }
  throw new Error('the last chunk is missing')
}
