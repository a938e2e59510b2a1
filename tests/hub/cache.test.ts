// The cache without the hub: names, environment variables, offline, a hub that is away, two pulls at once, what is listed
// and what is removed.

import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { homedir, hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { acquireLock, type FileLock } from '../../ts/src/hub/file-lock.js'
import { listCache, planRemoval, readHubSettings, removeFromCache, resolveModel } from '../../ts/src/hub/index.js'
import { parseModelName } from '../../ts/src/hub/model-name.js'
import { until } from '../server/served-engine.js'
import { bytes, hubCase, MODEL, modelFiles, WEIGHTS } from './hub-case.js'
import { commit, etagOf, sha256 } from './hub-server.js'

const names: readonly [string, string | undefined, string?][] = [
  ['org/name', 'org/name main'],
  ['Qwen/Qwen2.5-0.5B-Instruct', 'Qwen/Qwen2.5-0.5B-Instruct main'],
  ['org/name@v1.0', 'org/name v1.0'],
  ['org/name@refs/pr/1', 'org/name refs/pr/1'],
  ['org/name', 'org/name dev', 'dev'],
  ['org/name@dev', 'org/name dev', 'dev'],
  ['name', undefined],
  ['a/b/c', undefined],
  ['/org/name', undefined],
  ['./name', undefined],
  ['../name', undefined],
  ['org/..', undefined],
  ['org/na--me', undefined],
  ['org/name.git', undefined],
  ['org/-name', undefined],
  ['org\\name', undefined],
  ['org/näme', undefined],
  [`org/${'x'.repeat(97)}`, undefined],
]
for (const [text, expected, revision] of names) {
  test(`name: ${text.slice(0, 40)}${revision === undefined ? '' : ` at ${revision}`}`, t => {
    const name = parseModelName(text, revision)
    t.is(name && `${name.id} ${name.revision}`, expected)
  })
}

for (const text of [
  'org/name@',
  'org/name@../x',
  'org/name@a//b',
  'org/name@/a',
  'org/name@a b',
  'org/name@x.lock',
  'org/name@a\\b',
  'org/name@a:b',
  'org/name@.a',
  `org/name@${'x'.repeat(201)}`,
]) {
  test(`revision refused: ${JSON.stringify(text.slice(0, 30))}`, t => {
    t.throws(() => parseModelName(text, undefined), { code: 'ERR_INVALID_ARGUMENT' })
  })
}

test('two revisions that differ are refused', t => {
  t.throws(() => parseModelName('org/name@a', 'b'), { code: 'ERR_INVALID_ARGUMENT', message: /another revision/ })
})

const strangers: readonly [string, RegExp][] = [
  ['smollm2', /'smollm2' is neither a folder here .* nor a name on the hub\. Give the path .* 'HuggingFaceTB\/SmolLM2/],
  ['./models/x', /There is no model directory at '.*models\/x'/],
  ['/nowhere/at/all', /There is no model directory at '\/nowhere\/at\/all'/],
  ['~/model', /There is no model directory/],
  ['a/b/c', /There is no model directory/],
  ['https://huggingface.co/org/name', /by its name, not by a link: 'org\/name'/],
  ['https://huggingface.co/org/name/tree/main', /by its name, not by a link: 'org\/name'/],
  ['hf://org/name', /by its name, not by a link: 'org\/name'/],
]
for (const [text, message] of strangers) {
  test(`neither path nor name: ${text}`, async t => {
    const { options, server } = await hubCase(t)
    await t.throwsAsync(resolveModel(text, options), { code: 'ERR_MODEL_NOT_FOUND', message })
    t.deepEqual(server.asked, [])
  })
}

test('no text is no model', async t => {
  for (const model of ['', 'a\0b', 5 as unknown as string]) {
    await t.throwsAsync(resolveModel(model), { code: 'ERR_INVALID_ARGUMENT' })
  }
})

test('where the cache is', async t => {
  const home = homedir()
  const rows: readonly [Record<string, string>, string][] = [
    [{}, join(home, '.cache/huggingface/hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '~/h' }, join(home, 'h/hub')],
    [{ HF_HOME: '$BASE/h', BASE: '/b' }, '/b/h/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HUB_CACHE: '/new', HUGGINGFACE_HUB_CACHE: '/old' }, '/new'],
    [{ HF_HUB_CACHE: '', HF_HOME: '/h' }, '/h/hub'],
  ]
  for (const [env, expected] of rows) t.is((await readHubSettings({}, env)).cacheDir, expected, JSON.stringify(env))
  t.is((await readHubSettings({ cacheDir: '/mine' }, { HF_HUB_CACHE: '/new' })).cacheDir, '/mine')
})

test('which token', async t => {
  const home = await mkdtemp(join(tmpdir(), 'quire-hub-'))
  await writeFile(join(home, 'token'), 'of-the-file\n')
  await writeFile(join(home, 'other'), 'of-the-path')
  const rows: readonly [Record<string, string>, string | undefined, string?][] = [
    [{ HF_HOME: home }, 'of-the-file'],
    [{ HF_HOME: home, HF_TOKEN: ' mine ' }, 'mine'],
    [{ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'old' }, 'old'],
    [{ HF_HOME: home, HF_TOKEN_PATH: join(home, 'other') }, 'of-the-path'],
    [{ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
    [{ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, 'given', 'given'],
    [{ HF_HOME: home, HF_TOKEN: 'mine' }, 'given', 'given'],
    [{ HF_HOME: home, HF_TOKEN: 'mine' }, undefined, ''],
    [{ HF_HOME: join(home, 'none') }, undefined],
  ]
  for (const [env, expected, token] of rows) {
    t.is((await readHubSettings(token === undefined ? {} : { token }, env)).token, expected, JSON.stringify(env))
  }
})

test('which hub, whether it may be asked, and how long', async t => {
  const settings = (env: Record<string, string>) => readHubSettings({}, { HF_HOME: '/nowhere', ...env })
  t.is((await settings({})).endpoint.href, 'https://huggingface.co/')
  t.is((await settings({ HF_ENDPOINT: 'http://mirror:8080/hf/' })).endpoint.href, 'http://mirror:8080/hf/')
  for (const HF_ENDPOINT of ['mirror', 'ftp://x', 'https://user:pass@host']) {
    await t.throwsAsync(settings({ HF_ENDPOINT }), { code: 'ERR_INVALID_ARGUMENT', message: /HF_ENDPOINT/ })
  }
  for (const [value, expected] of [
    ['1', true],
    ['on', true],
    ['YES', true],
    ['True', true],
    ['0', false],
    ['', false],
    ['no', false],
  ] as const) {
    t.is((await settings({ HF_HUB_OFFLINE: value })).offline !== undefined, expected, value)
    t.is((await settings({ TRANSFORMERS_OFFLINE: value })).offline !== undefined, expected, value)
  }
  t.is((await settings({ HF_HUB_DOWNLOAD_TIMEOUT: '2.5' })).downloadTimeoutMs, 2500)
  for (const HF_HUB_ETAG_TIMEOUT of ['0', '-1', 'soon', '1e9']) await t.throwsAsync(settings({ HF_HUB_ETAG_TIMEOUT }))
})

test('offline: what is there is found, what is not is told with what to do', async t => {
  const { options, server, repository } = await hubCase(t)
  const online = await resolveModel(MODEL, options)
  server.asked.length = 0
  const env = { ...options.env, HF_HUB_OFFLINE: '1' }
  t.is(await resolveModel(MODEL, { ...options, env }), online)
  t.is(await resolveModel(MODEL, { ...options, offline: true }), online)
  await t.throwsAsync(resolveModel('org/other@v2', { ...options, env }), {
    code: 'ERR_HUB_OFFLINE',
    message: /org\/other@v2 is not in the cache, and HF_HUB_OFFLINE=1 forbids .* Run `quire pull org\/other@v2`/,
  })
  await rm(join(repository, 'blobs', sha256(WEIGHTS)))
  await t.throwsAsync(resolveModel(MODEL, { ...options, env }), {
    code: 'ERR_HUB_OFFLINE',
    message: /lacks model\.safetensors in the cache/,
  })
  t.deepEqual(server.asked, [])
  t.is(await resolveModel(MODEL, { ...options, env, offline: false }), online)
})

test('a hub that is away, or refuses, leaves what is in the cache usable, with a notice', async t => {
  const { options, server } = await hubCase(t)
  const online = await resolveModel(MODEL, options)
  const notices: string[] = []
  const again = { ...options, onNotice: (text: string) => void notices.push(text) }
  for (const status of [503, 401, 403, 429]) {
    const count = server.asked.length
    server.fail(() => true, { kind: 'status', status }, 1)
    t.is(await resolveModel(MODEL, again), online)
    t.is(server.asked.length, count + 1, 'who has it all is not kept waiting')
  }
  await server.close()
  t.is(await resolveModel(MODEL, again), online)
  t.is(notices.length, 5)
  t.true(notices.every(text => text.endsWith('as it is in the cache.')))
  await t.throwsAsync(resolveModel(`${MODEL}@other`, options), { code: 'ERR_HUB_DOWNLOAD' })
})

test('a revision that is gone from the hub is not taken from the cache', async t => {
  const { options, server } = await hubCase(t)
  await resolveModel(MODEL, options)
  server.repositories.set(MODEL, { revisions: { other: commit(modelFiles) } })
  await t.throwsAsync(resolveModel(MODEL, options), { code: 'ERR_HUB_NOT_FOUND', message: /no revision 'main'/ })
})

test('two pulls at once: each byte comes once', async t => {
  const { options, server } = await hubCase(t)
  server.fail(({ origin }) => origin === 'store', { kind: 'slow', pieceBytes: 30_000, pauseMs: 40 }, 1e9)
  const waits: (string | undefined)[] = []
  const pull = (): Promise<string> =>
    resolveModel(MODEL, { ...options, onProgress: ({ phase, file }) => void (phase === 'wait' && waits.push(file)) })
  const [first, second] = await Promise.all([pull(), pull()])
  t.is(first, second)
  t.is(server.downloadsOf(WEIGHTS).length, 3)
  // Either of them may be first, of each file anew.
  t.true(waits.filter(file => file === 'model.safetensors').length <= 1, 'one waits for the other')
})

test('two processes at once: one downloads, the other waits; both have it', async t => {
  const { options, server } = await hubCase(t)
  server.fail(({ origin }) => origin === 'store', { kind: 'slow', pieceBytes: 10_000, pauseMs: 60 }, 1e9)
  const module = new URL('../../ts/src/hub/index.ts', import.meta.url).href
  const script = `const { resolveModel } = await import(${JSON.stringify(module)}); console.log(await resolveModel(${JSON.stringify(MODEL)}))`
  const run = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
        env: { ...process.env, ...options.env },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let out = ''
      child.stdout.on('data', text => {
        out += text
      })
      child
        .on('error', reject)
        .on('close', code => (code === 0 ? resolve(out.trim()) : reject(new Error(`exit ${code}`))))
    })
  const directories = await Promise.all([run(), run(), run()])
  t.is(new Set(directories).size, 1)
  t.deepEqual(await readFile(join(directories[0] as string, 'model.safetensors')), WEIGHTS)
  // Ranges are asked for three times: only a process that came too late to see the lock would ask again.
  t.is(server.downloadsOf(WEIGHTS).length, 1)
})

test('a lock whose owner is gone is taken over; one whose owner lives is waited for', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'quire-lock-'))
  const never = new AbortController().signal
  const path = join(folder, 'a.lock')
  const gone = spawn(process.execPath, ['-e', ''])
  await new Promise(resolve => gone.on('close', resolve))
  await writeFile(path, JSON.stringify({ host: hostname(), pid: gone.pid, id: 'x' }))
  await (await acquireLock(path, { signal: never })).release()
  t.deepEqual(await readdir(folder), [], 'dead process of this host')

  await writeFile(path, JSON.stringify({ host: 'elsewhere', pid: 1, id: 'y' }))
  await t.throwsAsync(acquireLock(path, { signal: AbortSignal.timeout(400) }), { code: 'ERR_ABORTED' })
  await utimes(path, new Date(), new Date(Date.now() - 120_000))
  await (await acquireLock(path, { signal: never })).release()
  t.deepEqual(await readdir(folder), [], 'a lock of another host that nobody touches')

  await writeFile(path, '')
  await utimes(path, new Date(), new Date(Date.now() - 120_000))
  const held = await acquireLock(path, { signal: never, staleAfterMs: 400 })
  const long = new Date(Date.now() - 120_000)
  await utimes(path, long, long)
  await until('a lock that is held long is kept alive', () => statSync(path).mtimeMs > long.getTime() + 60_000)
  const { owner, second } = await new Promise<{ owner: number | undefined; second: () => Promise<FileLock> }>(
    resolve => {
      const acquired = acquireLock(path, {
        signal: never,
        onWait: found => resolve({ owner: found?.pid, second: () => acquired }),
      })
    },
  )
  t.is(owner, process.pid)
  await held.release()
  await (await second()).release()
  t.deepEqual(await readdir(folder), [])
})

test('of many who want an abandoned lock one has it at a time', async t => {
  const path = join(await mkdtemp(join(tmpdir(), 'quire-lock-')), 'a.lock')
  const gone = spawn(process.execPath, ['-e', ''])
  await new Promise(resolve => gone.on('close', resolve))
  await writeFile(path, JSON.stringify({ host: hostname(), pid: gone.pid, id: 'x' }))
  let [inside, most] = [0, 0]
  const work = async (): Promise<void> => {
    const lock = await acquireLock(path, { signal: new AbortController().signal })
    inside += 1
    most = Math.max(most, inside)
    await new Promise(resolve => setTimeout(resolve, 5))
    inside -= 1
    await lock.release()
  }
  await Promise.all(Array.from({ length: 12 }, work))
  t.is(most, 1)
})

const second = { ...modelFiles, 'model.safetensors': bytes(2500, 77) }

async function twoRevisions(t: ExecutionContext) {
  const given = await hubCase(t)
  given.server.repositories.set(MODEL, { revisions: { main: commit(modelFiles), 'refs/pr/1': commit(second) } })
  await resolveModel(MODEL, given.options)
  await resolveModel(`${MODEL}@refs/pr/1`, given.options)
  return given
}

test('what is listed', async t => {
  const { cacheDir, repository } = await twoRevisions(t)
  await mkdir(join(cacheDir, 'datasets--a--b'))
  await writeFile(join(repository, 'blobs', 'abc.incomplete'), 'xxxxx')
  const [model, ...others] = await listCache(cacheDir)
  t.deepEqual(others, [])
  const needed = Object.entries(modelFiles).filter(([name]) => /json|jinja|^model\.safe/.test(name))
  const size = needed.reduce((sum, [, content]) => sum + Buffer.byteLength(content), 0)
  t.like(model, { id: MODEL, directory: repository, sizeBytes: size + 2500 + 5, incompleteBytes: 5 })
  t.true(Math.abs(Date.now() - (model?.lastUsedMs ?? 0)) < 600_000)
  const revision = (ref: string) => model?.revisions.find(({ refs }) => refs.includes(ref))
  t.is(model?.revisions.length, 2)
  t.like(revision('main'), { sizeBytes: size, numFiles: 7, isComplete: true })
  t.like(revision('refs/pr/1'), { sizeBytes: size - WEIGHTS.length + 2500, numFiles: 7, isComplete: true })
  t.deepEqual(await listCache(join(cacheDir, 'nothing')), [])
})

test('a revision that is removed takes only what is its own', async t => {
  const { cacheDir, repository, options } = await twoRevisions(t)
  const removal = await planRemoval(cacheDir, MODEL, 'refs/pr/1')
  t.like(removal, { isWhole: false, freedBytes: 2500 })
  await removeFromCache(removal)
  t.deepEqual(await readdir(join(repository, 'snapshots')), [commit(modelFiles).sha])
  t.deepEqual(await readdir(join(repository, 'refs')), ['main'])
  t.false((await readdir(join(repository, 'blobs'))).includes(etagOf(bytes(2500, 77))))
  await resolveModel(MODEL, { ...options, offline: true })
  const rest = await planRemoval(cacheDir, MODEL, commit(modelFiles).sha.slice(0, 8))
  t.true(rest.isWhole)
  await removeFromCache(rest)
  t.deepEqual(await listCache(cacheDir), [])
})

test('a whole model is removed, and nothing that lies outside of it', async t => {
  const { cacheDir, repository } = await twoRevisions(t)
  const outside = join(cacheDir, 'outside')
  await writeFile(outside, 'mine')
  await symlink(outside, join(repository, 'snapshots', commit(modelFiles).sha, 'link'))
  await mkdir(join(cacheDir, 'models--org--other'))
  await removeFromCache(await planRemoval(cacheDir, MODEL))
  t.deepEqual(
    (await listCache(cacheDir)).map(({ id }) => id),
    ['org/other'],
  )
  t.true((await stat(outside)).isFile())
})

test('what cannot be removed', async t => {
  const { cacheDir } = await twoRevisions(t)
  await t.throwsAsync(planRemoval(cacheDir, 'org/none'), {
    code: 'ERR_HUB_NOT_FOUND',
    message: /It has: acme\/tiny-model/,
  })
  await t.throwsAsync(planRemoval(cacheDir, '../..'), { code: 'ERR_HUB_NOT_FOUND' })
  await t.throwsAsync(planRemoval(cacheDir, MODEL, 'v9'), {
    code: 'ERR_HUB_NOT_FOUND',
    message: /no revision 'v9'.*= main/,
  })
  const lock = await acquireLock(join(cacheDir, '.locks', 'models--acme--tiny-model', 'x.quire-lock'), {
    signal: new AbortController().signal,
  })
  await t.throwsAsync(planRemoval(cacheDir, MODEL), {
    code: 'ERR_HUB_CACHE',
    message: /is being downloaded by process \d+/,
  })
  await lock.release()
  await planRemoval(cacheDir, MODEL)
})
