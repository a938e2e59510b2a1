// Reads HTTP/1.1 responses out of a socket's bytes: head, then a body of known length, in chunks, or until the end. The
// bodies' bytes are handed on where they lie; nothing is copied but a head or chunk size that comes in pieces.

/** Most bytes of a head, and of the lines around chunks. */
const MOST_HEAD_BYTES = 64 * 1024
const MOST_LINE_BYTES = 8 * 1024
const [CR, LF] = [13, 10]
const EMPTY: Buffer = Buffer.alloc(0)

export interface ResponseReceiver {
  head(status: number, headers: ReadonlyMap<string, string>): void
  /** A part of the body: the bytes are only there during the call. */
  body(bytes: Buffer, start: number, end: number): void
}

/** The server said what is not HTTP/1.1. */
export class ResponseError extends Error {
  override readonly name = 'ResponseError'
}

type State = 'head' | 'length' | 'until end' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer' | 'complete'

/** Parses one response. */
export class ResponseParser {
  readonly #receiver: ResponseReceiver
  #state: State = 'head'
  /** What a line or head has so far, from earlier reads. */
  #pending: Buffer = EMPTY
  /** Bytes that the body or the chunk still has. */
  #remaining = 0
  #keepAlive = true
  /** True once a byte has come. */
  begun = false

  constructor(receiver: ResponseReceiver) {
    this.#receiver = receiver
  }

  get complete(): boolean {
    return this.#state === 'complete'
  }

  /** True if the connection may carry another request after this response. */
  get keepAlive(): boolean {
    return this.#keepAlive
  }

  /** @throws ResponseError for what is not HTTP/1.1, and what the receiver throws. */
  read(bytes: Buffer, length: number): void {
    this.begun = true
    let at = 0
    while (at < length && this.#state !== 'complete') at = this.#step(bytes, at, length)
    if (at < length) this.#keepAlive = false // bytes that nobody asked for
  }

  /** The socket has ended. @throws ResponseError if the response has not. */
  ended(): void {
    if (this.#state === 'until end') this.#state = 'complete'
    else if (this.#state !== 'complete') throw new ResponseError('the server closed the connection in the middle')
  }

  #step(bytes: Buffer, at: number, length: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at, length)
      case 'until end':
        this.#receiver.body(bytes, at, length)
        return length
      case 'length':
      case 'chunk':
        return this.#readBody(bytes, at, length)
      default:
        return this.#readLine(bytes, at, length)
    }
  }

  #readBody(bytes: Buffer, at: number, length: number): number {
    const end = Math.min(length, at + this.#remaining)
    this.#receiver.body(bytes, at, end)
    this.#remaining -= end - at
    if (this.#remaining === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk end'
      else this.#state = 'complete'
    }
    return end
  }

  #readLine(bytes: Buffer, at: number, length: number): number {
    let end = at
    while (end < length && bytes[end] !== LF) end += 1
    if (end === length) {
      this.#keep(bytes.subarray(at, length), MOST_LINE_BYTES)
      return length
    }
    if (this.#pending.length > 0) {
      const line = Buffer.concat([this.#pending, bytes.subarray(at, end)])
      this.#pending = EMPTY
      this.#takeLine(line, 0, line.length)
    } else this.#takeLine(bytes, at, end)
    return end + 1
  }

  #takeLine(bytes: Buffer, start: number, feed: number): void {
    const end = feed > start && bytes[feed - 1] === CR ? feed - 1 : feed
    if (this.#state === 'chunk end') {
      if (end !== start) throw new ResponseError('a chunk is longer than it said')
      this.#state = 'chunk size'
    } else if (this.#state === 'trailer') {
      if (end === start) this.#state = 'complete'
    } else {
      this.#remaining = chunkSize(bytes, start, end)
      this.#state = this.#remaining === 0 ? 'trailer' : 'chunk'
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    const before = this.#pending.length
    const head = before === 0 ? bytes.subarray(at, length) : Buffer.concat([this.#pending, bytes.subarray(at, length)])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) {
      this.#pending = EMPTY
      this.#keep(head, MOST_HEAD_BYTES)
      return length
    }
    this.#pending = EMPTY
    this.#takeHead(head.toString('latin1', 0, end))
    return at + end + 4 - before
  }

  #takeHead(text: string): void {
    const [first = '', ...lines] = text.split('\r\n')
    const match = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first)
    if (match === null) throw new ResponseError('the server does not speak HTTP/1.1')
    const status = Number(match[2])
    if (status < 200) return // 100 Continue, 103 Early Hints: the response comes after it
    const headers = new Map(lines.map(headerOf))
    const connection = headers.get('connection')?.toLowerCase() ?? ''
    this.#keepAlive = match[1] === '1' ? !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection)
    this.#receiver.head(status, headers)
    const length = headers.get('content-length')
    if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) this.#state = 'chunk size'
    else if (status === 204 || status === 304 || length === '0') this.#state = 'complete'
    else if (length === undefined) [this.#state, this.#keepAlive] = ['until end', false]
    else {
      if (!/^\d{1,15}$/.test(length)) throw new ResponseError('the length of the body is not a number')
      ;[this.#state, this.#remaining] = ['length', Number(length)]
    }
  }

  #keep(bytes: Buffer, most: number): void {
    if (this.#pending.length + bytes.length > most) throw new ResponseError('a line of the response does not end')
    this.#pending = Buffer.concat([this.#pending, bytes])
  }
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
}

/** Hexadecimal, up to a semicolon. */
function chunkSize(bytes: Buffer, start: number, end: number): number {
  let size = 0
  let at = start
  for (; at < end; at += 1) {
    const digit = hexDigit(bytes[at] as number)
    if (digit < 0) break
    size = size * 16 + digit
  }
  const next = bytes[at]
  const ends = at === end || next === 0x3b || next === 0x20 || next === 9
  if (at === start || at - start > 12 || !ends) throw new ResponseError('the size of a chunk is not a number')
  return size
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1
}
