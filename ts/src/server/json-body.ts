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
  if (isDeeperThan(bytes, maxDepth)) {
    throw RequestError.badRequest(`The body's JSON is nested deeper than ${maxDepth} levels.`)
  }
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

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING = new Set([0x5b, 0x7b]) // [ {
const CLOSING = new Set([0x5d, 0x7d]) // ] }

/** Whether brackets outside of strings nest deeper than `limit`; of bytes that are no JSON the answer means nothing. */
export function isDeeperThan(bytes: Uint8Array, limit: number): boolean {
  let depth = 0
  let isInString = false
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number
    if (isInString) {
      if (byte === BACKSLASH) index += 1
      else if (byte === QUOTE) isInString = false
    } else if (byte === QUOTE) isInString = true
    else if (OPENING.has(byte)) {
      depth += 1
      if (depth > limit) return true
    } else if (CLOSING.has(byte)) depth -= 1
  }
  return false
}

/** V8 quotes the beginning of the text: enough of it to find the place, on one line. */
function shortened(message: string): string {
  const line = message.replace(/\s+/g, ' ')
  return line.length > 160 ? `${line.slice(0, 160)}...` : line
}
