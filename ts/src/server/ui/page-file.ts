// A file of the chat page as a reply: its type, its tag for caches, and what browsers may do with it.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { RequestError } from '../request-error.js'
import type { HeaderReader, Reply } from '../route.js'

const FOLDER = new URL('../../../assets/ui/', import.meta.url)

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Nothing from elsewhere, nothing inline, no text that becomes a script, and nobody frames the page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

const HEADERS = {
  // Asked for each time, sent only if it changed: a new version of the server never meets half of an old page.
  'cache-control': 'no-cache',
  'content-security-policy': POLICY,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/** `name` must be one of the page's files: it is not looked at. */
export async function readPageFile(name: string): Promise<string> {
  try {
    return await readFile(new URL(name, FOLDER), 'utf8')
  } catch (cause) {
    throw new RequestError(500, `The chat page's file ${JSON.stringify(name)} cannot be read.`, { cause })
  }
}

/** The file, or 304 if the client has it. */
export function pageReply(name: string, body: string, request: HeaderReader): Reply {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  const headers = { ...HEADERS, etag }
  if (hasTag(request.get('if-none-match'), etag)) return { kind: 'text', status: 304, body: '', headers }
  return { kind: 'text', body, headers: { ...headers, 'content-type': TYPES[extname(name)] as string } }
}

/** As RFC 9110 compares for If-None-Match: weakly. */
function hasTag(header: string | null, etag: string): boolean {
  if (header === null) return false
  return header.split(',').some(tag => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
