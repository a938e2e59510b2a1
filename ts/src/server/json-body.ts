// Bytes of a request to the JSON object that they are, with limits that hold before anything is built of them.

import { RequestError } from './request-error.js'
import type { HeaderReader } from './route.js'

/** Fatal: what is no UTF-8 is refused rather than mended. */
const decoder = new TextDecoder('utf-8', { fatal: true })

/** An empty body is an empty object: the endpoint says what is missing. @throws RequestError 400, 415. */
export function parseJsonBody(
  bytes: Uint8Array,
  headers: HeaderReader,
  maxDepth: number,
): Readonly<Record<string, unknown>> {
  if (bytes.length === 0) return {}
  checkHeaders(headers)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new RequestError(400, 'The body is not valid UTF-8.', { cause })
  }
  const excess = excessOf(bytes, maxDepth)
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
const COLON = 5

/** What each byte means outside of strings. */
const KINDS = new Uint8Array(256).fill(OTHER)
for (const [kind, characters] of [
  [QUOTE, '"'],
  [OPENING, '[{'],
  [CLOSING, ']}'],
  [COMMA, ','],
  [COLON, ':'],
] as const) {
  for (const character of characters) KINDS[character.charCodeAt(0)] = kind
}

/** What of a body's JSON is too much, by its bytes alone; of bytes that are no JSON the answer means nothing. */
export function excessOf(bytes: Uint8Array, maxDepth: number): string | undefined {
  const { length } = bytes
  let [depth, numParts, numValues, stringStart, stringEnd] = [0, 0, 0, 0, 0]
  for (let index = 0; index < length; index += 1) {
    switch (KINDS[bytes[index] as number]) {
      case QUOTE:
        stringStart = index + 1
        index = endOfString(bytes, stringStart)
        stringEnd = index
        break
      case OPENING:
        depth += 1
        numParts += 1
        if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`
        break
      case CLOSING:
        depth -= 1
        break
      case COMMA:
        numValues += 1
        if (numValues > MOST_VALUES) return `has more than ${MOST_VALUES} values`
        break
      case COLON:
        if (!isIndex(bytes, stringStart, stringEnd)) numParts += 1
        break
    }
    if (numParts > MOST_PARTS) return `has more than ${MOST_PARTS} objects, lists and names of fields`
  }
  return undefined
}

const QUOTE_BYTE = 0x22
const BACKSLASH = 0x5c

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  const { length } = bytes
  let index = start
  while (index < length) {
    const byte = bytes[index] as number
    if (byte === QUOTE_BYTE) return index
    index += byte === BACKSLASH ? 2 : 1
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
