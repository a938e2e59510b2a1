// Bytes of a request to the JSON object that they are, with limits that hold before anything is built of them.

import { nextTurn } from '../engine/index.js'
import { RequestError } from './request-error.js'
import type { HeaderReader } from './route.js'

/** Fatal: what is no UTF-8 is refused rather than mended. */
const decoder = new TextDecoder('utf-8', { fatal: true })

/** An empty body is an empty object: the endpoint says what is missing. @throws RequestError 400, 415. */
export async function parseJsonBody(
  bytes: Uint8Array,
  headers: HeaderReader,
  maxDepth: number,
): Promise<Readonly<Record<string, unknown>>> {
  if (bytes.length === 0) return {}
  checkHeaders(headers)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new RequestError(400, 'The body is not valid UTF-8.', { cause })
  }
  const excess = await excessOf(bytes, maxDepth)
  if (excess !== undefined) throw RequestError.badRequest(`The body's JSON ${excess}.`)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    throw new RequestError(400, `The body is not valid JSON: ${shortened((cause as Error).message)}`, { cause })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw RequestError.badRequest('The body must be a JSON object.')
  }
  return body as Readonly<Record<string, unknown>>
}

function checkHeaders(headers: HeaderReader): void {
  const encoding = headers.get('content-encoding')
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity') {
    throw new RequestError(415, 'Compressed bodies are not taken: send the body without Content-Encoding.')
  }
  const type = (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type !== 'application/json' && !/^application\/[\w.-]+\+json$/.test(type)) {
    throw RequestError.badRequest("Unsupported media type: the body must have the Content-Type 'application/json'.")
  }
}

/** Objects, lists and names of fields in one body: each takes some 2 microseconds of the thread that serves all. */
const MOST_PARTS = 1 << 17
/** Values in one body: elements of lists and fields, each some 0.05 microseconds. */
const MOST_VALUES = 1 << 22

const OTHER = 0
const QUOTE = 1
const OPENING = 2
const CLOSING = 3
const COMMA = 4

/** What each byte means outside of strings. */
const KINDS = new Uint8Array(256).fill(OTHER)
for (const [kind, characters] of [
  [QUOTE, '"'],
  [OPENING, '[{'],
  [CLOSING, ']}'],
  [COMMA, ','],
] as const) {
  for (const character of characters) KINDS[character.charCodeAt(0)] = kind
}

/** Bytes that are looked at before others have their turn. */
const BYTES_PER_TURN = 1 << 20

/** What of a body's JSON is too much, by its bytes alone; of bytes that are no JSON the answer means nothing. */
export async function excessOf(bytes: Uint8Array, maxDepth: number): Promise<string | undefined> {
  const scan: Scan = { index: 0, depth: 0, numParts: 0, numValues: 0 }
  for (;;) {
    const excess = lookOn(scan, bytes, maxDepth)
    if (excess !== undefined || scan.index >= bytes.length) return excess
    await nextTurn()
  }
}

/** How far the look at a body has come; never inside of a string. */
interface Scan {
  index: number
  depth: number
  numParts: number
  numValues: number
}

function lookOn(scan: Scan, bytes: Uint8Array, maxDepth: number): string | undefined {
  let { index, depth, numParts, numValues } = scan
  const end = Math.min(bytes.length, index + BYTES_PER_TURN)
  for (; index < end; index += 1) {
    const kind = KINDS[bytes[index] as number] as number
    if (kind === OTHER) continue
    if (kind === QUOTE) {
      const start = index + 1
      index = endOfString(bytes, start)
      if (isName(bytes, index + 1) && !isIndex(bytes, start, index)) numParts += 1
    } else if (kind === COMMA) {
      numValues += 1
    } else if (kind === OPENING) {
      depth += 1
      numParts += 1
      if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`
    } else {
      depth -= 1
    }
    if (numParts > MOST_PARTS) return `has more than ${MOST_PARTS} objects, lists and names of fields`
    if (numValues > MOST_VALUES) return `has more than ${MOST_VALUES} values`
  }
  Object.assign(scan, { index, depth, numParts, numValues })
  return undefined
}

/** Whether the string that ends before `index` is the name of a field. */
function isName(bytes: Uint8Array, index: number): boolean {
  let next = index
  while (WHITESPACE.has(bytes[next] as number)) next += 1
  return bytes[next] === COLON_BYTE
}

const COLON_BYTE = 0x3a
const WHITESPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])
const QUOTE_BYTE = 0x22
const BACKSLASH = 0x5c
/** Bytes of a string that are looked at one by one, before the rest is searched for its end. */
const SHORT_STRING_BYTES = 64

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  const { length } = bytes
  let index = start
  while (index < length) {
    const near = Math.min(length, index + SHORT_STRING_BYTES)
    while (index < near) {
      const byte = bytes[index] as number
      if (byte === QUOTE_BYTE) return index
      index += byte === BACKSLASH ? 2 : 1
    }
    const quote = bytes.indexOf(QUOTE_BYTE, index)
    if (quote === -1) return length
    let first = quote
    while (first > index && bytes[first - 1] === BACKSLASH) first -= 1
    if ((quote - first) % 2 === 0) return quote
    index = quote + 1
  }
  return length
}

/** Whether a name is an array's index, such as a token id: those cost what values do. */
function isIndex(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end || end - start > 9) return false
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index] as number
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

/** V8 quotes the beginning of the text: enough of it to find the place, on one line. */
function shortened(message: string): string {
  const line = message.replace(/\s+/g, ' ')
  return line.length > 160 ? `${line.slice(0, 160)}...` : line
}
