// The load generator's own HTTP and event streams: however the bytes are cut, the same comes out.

import test from 'ava'
import { EventSplitter } from '../../ts/src/bench/http/event-splitter.js'
import { requestBytes } from '../../ts/src/bench/http/request-head.js'
import { ResponseParser } from '../../ts/src/bench/http/response-parser.js'
import { parseTarget } from '../../ts/src/bench/http/target.js'

interface Parsed {
  status: number
  headers: Record<string, string>
  body: string
  complete: boolean
  keepAlive: boolean
}

function parse(pieces: readonly Buffer[], ended: boolean): Parsed {
  const parsed = { status: 0, headers: {}, body: '' } as Parsed
  const parser = new ResponseParser({
    head: (status, headers) => Object.assign(parsed, { status, headers: Object.fromEntries(headers) }),
    body: (bytes, start, end) => {
      parsed.body += bytes.toString('latin1', start, end)
    },
  })
  for (const piece of pieces) if (piece.length > 0) parser.read(piece, piece.length)
  if (ended) parser.ended()
  return { ...parsed, complete: parser.complete, keepAlive: parser.keepAlive }
}

/** Whole, byte by byte, and in two at every place. */
function cuts(text: string): Buffer[][] {
  const bytes = Buffer.from(text)
  const halves = Array.from({ length: bytes.length }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)])
  return [[bytes], Array.from(bytes, byte => Buffer.of(byte)), ...halves]
}

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const responses: readonly [string, string, boolean, Partial<Parsed>][] = [
  [
    'a length',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b: c\r\n\r\nhello',
    false,
    { body: 'hello', complete: true, keepAlive: true },
  ],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', false, { status: 204, body: '', complete: true, keepAlive: true }],
  [
    'length 0',
    'HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\nConnection: close\r\n\r\n',
    false,
    { status: 429, complete: true, keepAlive: false },
  ],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', false, { complete: true, keepAlive: false }],
  ['until the end', 'HTTP/1.1 200 OK\r\n\r\nall of it', true, { body: 'all of it', complete: true, keepAlive: false }],
  [
    'chunks',
    `${chunked}3\r\nabc\r\n1A\r\n${'z'.repeat(26)}\r\n0\r\n\r\n`,
    false,
    { body: `abc${'z'.repeat(26)}`, complete: true, keepAlive: true },
  ],
  [
    'chunks with extensions and a trailer',
    `${chunked}2;a=b\r\nab\r\n1 ; c\r\nc\r\n0\r\nX: y\r\n\r\n`,
    false,
    { body: 'abc', complete: true },
  ],
  [
    'hints before it',
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${chunked}1\r\na\r\n0\r\n\r\n`,
    false,
    { status: 200, body: 'a', complete: true },
  ],
  ['not yet all', `${chunked}5\r\nab`, false, { body: 'ab', complete: false }],
]

for (const [name, text, ended, expected] of responses) {
  test(`a response with ${name}, cut anywhere`, t => {
    for (const pieces of cuts(text)) t.like(parse(pieces, ended), expected)
  })
}

const refused: readonly [string, string, RegExp][] = [
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /does not speak HTTP/],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n', /does not speak HTTP/],
  ['a chunk size that is none', `${chunked}xyz\r\n`, /size of a chunk/],
  ['a chunk size without end', `${chunked}${'f'.repeat(20)}\r\n`, /size of a chunk/],
  ['a chunk that is longer', `${chunked}1\r\nabc\r\n`, /longer than it said/],
  ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', /not a number/],
  ['a head without end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(12_000)}`, /does not end/],
]

for (const [name, text, message] of refused) {
  test(`refused: ${name}`, t => {
    t.throws(() => parse([Buffer.from(text)], false), { message })
    t.throws(
      () =>
        parse(
          Array.from(Buffer.from(text), byte => Buffer.of(byte)),
          false,
        ),
      { message },
    )
  })
}

test('a connection that ends in the middle is an error', t => {
  for (const text of ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel', `${chunked}5\r\nhello\r\n`, 'HTTP/1.1 2']) {
    t.throws(() => parse([Buffer.from(text)], true), { message: /in the middle/ })
  }
})

test('bytes after the response end the connection', t => {
  const { complete, keepAlive } = parse([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz')], false)
  t.deepEqual([complete, keepAlive], [true, false])
})

const streams: readonly [string, string, readonly string[]][] = [
  ['events', 'data: {"a":1}\n\ndata:{"b":"é漢🙂"}\n\ndata: [DONE]\n\n', ['{"a":1}', '{"b":"é漢🙂"}', '[DONE]']],
  ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
  ['names and comments', ': ping\n\nevent: x\nid: 3\ndata: a\nretry: 5\n\n: ping\ndata: b\n\n', ['a', 'b']],
  ['several lines of data', 'data: a\ndata:  b\ndata:\n\ndata: c\n\n', ['a\n b\n', 'c']],
  ['an event without its blank line', 'data: a\n\ndata: b\n', ['a']],
  ['other fields', 'database: x\n\ndat: y\n\ndata: z\n\n', ['z']],
]

for (const [name, text, expected] of streams) {
  test(`an event stream with ${name}, cut anywhere`, t => {
    for (const pieces of cuts(text)) {
      const events: string[] = []
      const splitter = new EventSplitter((bytes, start, end) => events.push(bytes.toString('utf8', start, end)))
      for (const piece of pieces)
        splitter.push(Buffer.concat([Buffer.from('\n'), piece, Buffer.from('\n\n')]), 1, piece.length + 1)
      t.deepEqual(events, expected)
    }
  })
}

test('where a server is', t => {
  t.like(parseTarget({}), { host: '127.0.0.1', port: 8000, tls: false, basePath: '', authority: '127.0.0.1:8000' })
  t.like(parseTarget({ host: '::1', port: 9 }), { host: '::1', port: 9, authority: '[::1]:9' })
  t.like(parseTarget({ baseUrl: 'https://a.example/llm/' }), {
    host: 'a.example',
    port: 443,
    tls: true,
    basePath: '/llm',
  })
  for (const baseUrl of ['localhost:8000', 'ftp://x', 'http://', 'x']) {
    t.throws(() => parseTarget({ baseUrl }), { code: 'ERR_INVALID_ARGUMENT' })
  }
})

test('a request as bytes; headers cannot smuggle lines', t => {
  const target = parseTarget({ baseUrl: 'http://h:1/base' })
  const text = requestBytes(target, 'POST', '/v1/x', { 'X-A': 'b' }, { é: 1 }).toString()
  t.is(
    text,
    'POST /base/v1/x HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"é":1}',
  )
  const smuggling: Record<string, string>[] = [{ 'X-A': 'b\r\nX-B: c' }, { 'X A': 'b' }, { '': 'b' }]
  for (const headers of smuggling) {
    t.throws(() => requestBytes(target, 'GET', '/', headers), { code: 'ERR_INVALID_ARGUMENT' })
  }
})
