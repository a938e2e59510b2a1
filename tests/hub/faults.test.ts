// What servers, networks, disks and hostile hubs do to a pull: either it ends right, or with a typed error that says what to
// do; never with wrong content in the cache.

import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, HubError } from '../../ts/src/errors.js'
import { resolveModel } from '../../ts/src/hub/index.js'
import { bytes, type HubCase, hubCase, MODEL, modelFiles, WEIGHTS } from './hub-case.js'
import { type Asked, commit, type Fault, gitHash, sha256 } from './hub-server.js'

const weightsPath = `/${sha256(WEIGHTS)}`
const ofWeights = ({ origin, path }: Asked): boolean => origin === 'store' && path === weightsPath
const ofConfig = ({ method, path }: Asked): boolean => method === 'GET' && path.endsWith('/config.json')
const ofInfo = ({ path }: Asked): boolean => path.startsWith('/api/')
const always = 1e9

async function checkWeights(t: ExecutionContext, { options }: HubCase): Promise<void> {
  t.deepEqual(await readFile(join(await resolveModel(MODEL, options), 'model.safetensors')), WEIGHTS)
}

async function refused(t: ExecutionContext, { options, repository }: HubCase): Promise<HubError> {
  const error = (await t.throwsAsync(resolveModel(MODEL, options), { instanceOf: HubError })) as HubError
  t.deepEqual(await readdir(join(repository, 'snapshots')).catch(() => []), [], 'there is no snapshot')
  return error
}

const mended: readonly [string, (asked: Asked) => boolean, Fault, number][] = [
  ['the store cuts the connection', ofWeights, { kind: 'cut', after: 30_000 }, 9],
  ['the store cuts before the first byte', ofWeights, { kind: 'cut', after: 0 }, 3],
  ['the store stalls', ofWeights, { kind: 'stall', after: 10 }, 1],
  ['the store announces too few bytes', ofWeights, { kind: 'length', announced: 10 }, 3],
  ['the store announces too many bytes', ofWeights, { kind: 'length', announced: 10_000_000 }, 3],
  ['the store answers 500', ofWeights, { kind: 'status', status: 500 }, 3],
  ['the store answers 503', ofWeights, { kind: 'status', status: 503, headers: { 'retry-after': '0' } }, 3],
  ['the store does not know ranges', ofWeights, { kind: 'no range' }, always],
  ['the store forgets ranges once', ofWeights, { kind: 'no range' }, 1],
  ['the store sends without an end, once', ofWeights, { kind: 'endless' }, 1],
  ['the store sends wrong bytes, once', ofWeights, { kind: 'bytes', body: bytes(100_000, 99) }, 1],
  ['the store is slow', ofWeights, { kind: 'slow', pieceBytes: 20_000, pauseMs: 30 }, always],
  ['the hub answers 502 about the model', ofInfo, { kind: 'status', status: 502 }, 2],
  ['the hub answers 429 about the model', ofInfo, { kind: 'status', status: 429, headers: { 'retry-after': '0' } }, 2],
  ['the hub cuts a small file', ofConfig, { kind: 'cut', after: 5 }, 2],
  [
    'the hub sends other bytes as a small file, once',
    ofConfig,
    { kind: 'bytes', body: Buffer.from('{"architectures":["MartianForCausal"]}') },
    1,
  ],
]
for (const [name, matches, fault, times] of mended) {
  test.serial(`mended: ${name}`, async t => {
    const given = await hubCase(t)
    given.server.fail(matches, fault, times)
    const env = { ...given.options.env, ...(fault.kind === 'stall' && { HF_HUB_DOWNLOAD_TIMEOUT: '2' }) }
    await checkWeights(t, { ...given, options: { ...given.options, env } })
    t.deepEqual(
      (await readdir(join(given.repository, 'blobs'))).filter(file => file.endsWith('incomplete')),
      [],
    )
  })
}

const final: readonly [string, (asked: Asked) => boolean, Fault, ErrorCode, RegExp][] = [
  ['cut for ever', ofWeights, { kind: 'cut', after: 0 }, 'ERR_HUB_DOWNLOAD', /was cut off .* goes on from there/],
  [
    'ended early for ever',
    ofWeights,
    { kind: 'length', announced: 7 },
    'ERR_HUB_DOWNLOAD',
    /has 7 bytes where 100000 were announced/,
  ],
  ['without an end', ofWeights, { kind: 'endless' }, 'ERR_HUB_DOWNLOAD', /sends more than it announced/],
  [
    'wrong bytes',
    ofWeights,
    { kind: 'bytes', body: bytes(100_000, 98) },
    'ERR_HUB_DOWNLOAD',
    /is not what the hub announced: its checksum/,
  ],
  [
    '500',
    ofWeights,
    { kind: 'status', status: 500 },
    'ERR_HUB_DOWNLOAD',
    /answered 500 for model\.safetensors .* Try again later/,
  ],
  [
    '403 of the store',
    ofWeights,
    { kind: 'status', status: 403 },
    'ERR_HUB_UNAUTHORIZED',
    /forbids model\.safetensors/,
  ],
  [
    '400',
    ofWeights,
    { kind: 'status', status: 400, headers: { 'x-error-message': 'no such thing' } },
    'ERR_HUB_DOWNLOAD',
    /answered 400 .*: no such thing/,
  ],
  [
    '429 with a long wait',
    ofInfo,
    { kind: 'status', status: 429, headers: { 'retry-after': '3600' } },
    'ERR_HUB_DOWNLOAD',
    /limits how often .* It asks to wait 3600 s\. With a token in HF_TOKEN the limit is higher/,
  ],
  ['a circle of redirects', ofInfo, { kind: 'redirect', location: '/api/again' }, 'ERR_HUB_DOWNLOAD', /in a circle/],
  [
    'a redirect to a file',
    ofInfo,
    { kind: 'redirect', location: 'file:///etc/passwd' },
    'ERR_HUB_DOWNLOAD',
    /redirects .* to file:/,
  ],
]
for (const [name, matches, fault, code, message] of final) {
  test.serial(`an error: ${name}`, async t => {
    const given = await hubCase(t)
    given.server.fail(asked => matches(asked) || asked.path.startsWith('/api/again'), fault, always)
    const error = await refused(t, given)
    t.is(error.code, code)
    t.regex(error.message, message)
    t.is(error.details.model, MODEL)
    t.notRegex(error.message, /signature=/, 'signed addresses are not told')
  })
}

test.serial('a pull that was cut off goes on where it was, with the tag of what it had', async t => {
  const given = await hubCase(t)
  const { server } = given
  server.fail(
    ({ range, ...asked }) => ofWeights({ range, ...asked }) && range === 'bytes=0-99999',
    { kind: 'cut', after: 40_000 },
    1,
  )
  server.fail(asked => ofWeights(asked) && (asked.range ?? '').endsWith('-99999'), { kind: 'status', status: 400 }, 1)
  await refused(t, given)
  const incomplete = (await readdir(join(given.repository, 'blobs'))).filter(file => file.endsWith('.incomplete'))
  t.true(incomplete.includes(`${sha256(WEIGHTS)}.quire.incomplete`), incomplete.join())
  server.asked.length = 0
  await checkWeights(t, given)
  const [first] = server.downloadsOf(WEIGHTS)
  t.is(first?.range, 'bytes=40000-99999')
  t.is(first?.ifRange, `"store-${sha256(WEIGHTS)}"`)
  t.true(server.downloadsOf(WEIGHTS).every(({ range }) => range !== 'bytes=0-99999'))
})

test.serial('content that changed under a partial download is fetched anew', async t => {
  const given = await hubCase(t)
  given.server.fail(asked => ofWeights(asked) && asked.range === 'bytes=0-99999', { kind: 'cut', after: 40_000 }, 1)
  given.server.fail(
    asked => ofWeights(asked) && (asked.range ?? '').endsWith('-99999'),
    { kind: 'status', status: 400 },
    1,
  )
  await refused(t, given)
  // The store takes no range of what it does not know by this tag, and sends all of it.
  given.server.fail(asked => asked.ifRange !== undefined, { kind: 'no range' }, always)
  await checkWeights(t, given)
})

test.serial('a partial file that somebody spoilt is fetched anew', async t => {
  const given = await hubCase(t)
  given.server.fail(
    asked => ofWeights(asked) && asked.range === 'bytes=200000-299999',
    { kind: 'status', status: 400 },
    1,
  )
  await refused(t, given)
  await writeFile(join(given.repository, 'blobs', `${sha256(WEIGHTS)}.quire.incomplete`), bytes(300_000, 50))
  await checkWeights(t, given)
})

test.serial('Retry-After is waited for', async t => {
  const given = await hubCase(t)
  given.server.fail(ofInfo, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 1)
  const begun = performance.now()
  await checkWeights(t, given)
  t.true(performance.now() - begun >= 1000)
})

test.serial('a model that nobody knows: the spelling, and the token', async t => {
  const given = await hubCase(t)
  given.server.repositories.clear()
  const error = await refused(t, given)
  t.is(error.code, 'ERR_HUB_NOT_FOUND')
  t.regex(error.message, /no model 'acme\/tiny-model' at 127\.0\.0\.1.* Check the spelling .* set HF_TOKEN/)
  t.is(given.server.asked.length, 1, 'it is not tried again')
})

test.serial('a revision that nobody knows', async t => {
  const { options } = await hubCase(t)
  await t.throwsAsync(resolveModel(`${MODEL}@v9`, options), {
    code: 'ERR_HUB_NOT_FOUND',
    message: /has no revision 'v9'/,
  })
})

test.serial('a private model: without a token, with a wrong one, with the right one', async t => {
  const { server, options } = await hubCase(t)
  server.repositories.set(MODEL, { revisions: { main: commit(modelFiles) }, token: 'right' })
  await t.throwsAsync(resolveModel(MODEL, options), {
    code: 'ERR_HUB_UNAUTHORIZED',
    message: /set HF_TOKEN to a token that may read it/,
  })
  await t.throwsAsync(resolveModel(MODEL, { ...options, token: 'wrong' }), {
    code: 'ERR_HUB_UNAUTHORIZED',
    message: /refuses the token .*mistyped or expired/,
  })
  await resolveModel(MODEL, { ...options, env: { ...options.env, HF_TOKEN: 'right' } })
  t.pass()
})

test.serial('a gated model says where its licence is accepted', async t => {
  const { server, options } = await hubCase(t)
  server.repositories.set(MODEL, { revisions: { main: commit(modelFiles) }, token: 'right', isGated: true })
  const error = await t.throwsAsync(resolveModel(MODEL, options), { code: 'ERR_HUB_UNAUTHORIZED' })
  t.regex(error?.message ?? '', /Accept it at http:\/\/127\.0\.0\.1:\d+\/acme\/tiny-model, then set HF_TOKEN/)
})

test.serial('the token goes to the hub and never to another origin', async t => {
  const { server, options } = await hubCase(t)
  await resolveModel(MODEL, { ...options, token: 'secret-token' })
  const [hub, store] = ['hub', 'store'].map(origin => server.asked.filter(asked => asked.origin === origin))
  t.true(hub?.length !== 0 && hub?.every(({ authorization }) => authorization === 'Bearer secret-token'))
  t.true(store?.length !== 0 && store?.every(({ authorization }) => authorization === undefined))
})

test.serial('a redirect to another host and back does not bring the token back', async t => {
  const { server, options } = await hubCase(t)
  const other = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(302, { location: `${server.endpoint}${request.url}` }).end()
  })
  const seen: (string | undefined)[] = []
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  server.fail(
    ofInfo,
    {
      kind: 'redirect',
      location: `http://127.0.0.1:${(other.address() as AddressInfo).port}/api/models/${MODEL}/revision/main`,
    },
    1,
  )
  await resolveModel(MODEL, { ...options, token: 'secret-token' })
  t.deepEqual(seen, [undefined])
  t.deepEqual(
    server.asked.slice(0, 2).map(({ authorization }) => authorization),
    ['Bearer secret-token', undefined],
  )
})

test.serial('no error tells the token', async t => {
  const { server, options } = await hubCase(t)
  server.repositories.clear()
  const error = (await t.throwsAsync(resolveModel(MODEL, { ...options, token: 'secret-token' }))) as HubError
  t.notRegex(`${error.message}${error.stack}${JSON.stringify(error.details)}`, /secret-token/)
  const bad = await t.throwsAsync(resolveModel(MODEL, { ...options, token: 'secret\ntoken' }), {
    code: 'ERR_INVALID_ARGUMENT',
  })
  t.notRegex(bad?.message ?? '', /secret/)
})

for (const name of [
  '../../../evil.safetensors',
  '/etc/passwd',
  'a/../../b',
  'a\\b',
  'C:evil',
  'a//b',
  './a',
  'a\u0000b',
  '',
]) {
  test.serial(`a hub that lists ${JSON.stringify(name)} is refused`, async t => {
    const given = await hubCase(t)
    given.server.listedNames = [...Object.keys(modelFiles), name]
    const error = await refused(t, given)
    t.is(error.code, 'ERR_HUB_DOWNLOAD')
    t.regex(error.message, /leaves the folder|without a name/)
  })
}

const lies: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
  ['an entity tag that is a path', { etag: '"../../../evil"', 'content-length': '10' }, /no entity tag/],
  ['no entity tag', { 'content-length': '10' }, /no entity tag/],
  ['a length that is none', { 'x-linked-etag': '"abc"', 'x-linked-size': '-5' }, /no length/],
  ['another commit', { etag: '"abc"', 'content-length': '10', 'x-repo-commit': '../..' }, /another commit/],
]
for (const [name, headers, message] of lies) {
  test.serial(`metadata is refused: ${name}`, async t => {
    const given = await hubCase(t)
    const status = 200
    given.server.fail(
      ({ method, path }) => method === 'HEAD' && path.endsWith('/config.json'),
      { kind: 'status', status, headers },
      always,
    )
    t.regex((await refused(t, given)).message, message)
  })
}

for (const [name, answer] of [
  ['no JSON', '<html>Sign in to the proxy</html>'],
  ['a commit that is a path', '{"sha":"../../..","siblings":[]}'],
  ['no files', `{"sha":"${'a'.repeat(40)}"}`],
  ['null', 'null'],
  ['a list of numbers', `{"sha":"${'a'.repeat(40)}","siblings":[5,null]}`],
] as const) {
  test.serial(`an answer is refused: ${name}`, async t => {
    const given = await hubCase(t)
    const server = createServer((_, response) => response.end(answer))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const error = await refused(t, { ...given, options: { ...given.options, endpoint } })
    t.is(error.code, 'ERR_HUB_DOWNLOAD')
    t.regex(error.message, /HF_ENDPOINT/)
  })
}

test.serial('a hub that never answers is given up', async t => {
  const given = await hubCase(t)
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  const env = {
    ...given.options.env,
    HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    HF_HUB_ETAG_TIMEOUT: '0.2',
  }
  const error = await refused(t, { ...given, options: { ...given.options, env } })
  t.regex(error.message, /does not answer \(no answer for 0\.2 s\)\. Check the network, the proxy and HF_ENDPOINT/)
})

test.serial('a host that is not there', async t => {
  const given = await hubCase(t)
  await given.server.close()
  const error = await refused(t, given)
  t.like(error, { code: 'ERR_HUB_DOWNLOAD', details: { reason: 'unreachable' } })
  t.regex(error.message, /ECONNREFUSED/)
})

test.serial('aborted: before, while asking, while downloading; and nothing stays open', async t => {
  const { options, server, repository } = await hubCase(t)
  await t.throwsAsync(resolveModel(MODEL, { ...options, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  t.is(server.asked.length, 0)
  server.fail(ofInfo, { kind: 'status', status: 429, headers: { 'retry-after': '2' } }, 1)
  await t.throwsAsync(resolveModel(MODEL, { ...options, signal: AbortSignal.timeout(100) }), { code: 'ERR_ABORTED' })
  server.fail(ofWeights, { kind: 'slow', pieceBytes: 1000, pauseMs: 20 }, 3)
  const stop = new AbortController()
  const onProgress = ({ phase, file, loaded }: { phase: string; file: string | undefined; loaded: number }): void => {
    if (phase === 'download' && file === 'model.safetensors' && loaded > 2000) stop.abort(new Error('enough'))
  }
  const error = await t.throwsAsync(resolveModel(MODEL, { ...options, signal: stop.signal, onProgress }), {
    code: 'ERR_ABORTED',
  })
  t.like(error?.cause, { message: 'enough' })
  const ledger = JSON.parse(
    await readFile(join(repository, 'blobs', `${sha256(WEIGHTS)}.quire-parts.incomplete`), 'utf8'),
  ) as {
    parts: [number, number, number][]
  }
  t.true(ledger.parts.some(([, , done]) => done >= 1000))
  t.deepEqual(await readdir(join(repository, '..', '.locks', 'models--acme--tiny-model')), [])
  await resolveModel(MODEL, options)
})

test.serial('no room on the disk is told before anything is downloaded', async t => {
  const given = await hubCase(t)
  const tools = { ...given.tools, freeBytes: async () => 250_000 }
  const error = await refused(t, { ...given, options: { ...given.options, tools } })
  t.is(error.code, 'ERR_DISK_FULL')
  t.regex(error.message, /needs 0\.000 GiB|quire rm/)
  t.deepEqual(given.server.downloadsOf(undefined), [])
})

test.serial('a disk that fills up', async t => {
  if (process.platform !== 'linux') return t.log('SKIPPED: /dev/full is there on Linux only')
  const given = await hubCase(t)
  await mkdir(join(given.repository, 'blobs'), { recursive: true })
  await symlink('/dev/full', join(given.repository, 'blobs', `${sha256(WEIGHTS)}.quire.incomplete`))
  const error = await refused(t, given)
  t.is(error.code, 'ERR_DISK_FULL')
  t.regex(error.message, /is full\. Free some by `quire rm/)
})

test.serial('a cache that cannot be written', async t => {
  const given = await hubCase(t)
  const file = join(given.cacheDir, 'a-file')
  await writeFile(file, '')
  const error = await refused(t, { ...given, options: { ...given.options, cacheDir: join(file, 'cache') } })
  t.is(error.code, 'ERR_HUB_CACHE')
  t.regex(error.message, /cannot be written .* HF_HUB_CACHE/)
})

test.serial('a small file has the git hash for its name, and is checked by it', async t => {
  const { options, repository, server } = await hubCase(t)
  server.fail(ofConfig, { kind: 'bytes', body: Buffer.from('{"architectures":["MartianForCausal"]}') }, 2)
  await t.throwsAsync(resolveModel(MODEL, options), {
    code: 'ERR_HUB_DOWNLOAD',
    message: /checksum is not [0-9a-f]{40}/,
  })
  await resolveModel(MODEL, options)
  t.true((await stat(join(repository, 'blobs', gitHash(modelFiles['config.json'] as string)))).isFile())
})
