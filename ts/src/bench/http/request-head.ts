// The bytes of an HTTP/1.1 request, made before the clock runs.

import { InvalidArgumentError } from '../../errors.js'
import type { Target } from './target.js'

export type RequestHeaders = Readonly<Record<string, string>>

/** A request with a JSON body, or without a body. @throws InvalidArgumentError for a header that is none. */
export function requestBytes(
  target: Target,
  method: 'GET' | 'POST',
  path: string,
  headers: RequestHeaders,
  body?: unknown,
): Buffer {
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body))
  const lines = [`${method} ${target.basePath}${path} HTTP/1.1`, `Host: ${target.authority}`]
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || /[\r\n\0]/.test(value)) {
      throw new InvalidArgumentError('header', 'A header has a name without spaces and a value of one line.', name)
    }
    lines.push(`${name}: ${value}`)
  }
  if (method === 'POST') lines.push('Content-Type: application/json', `Content-Length: ${content.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content])
}
