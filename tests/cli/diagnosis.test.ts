// What `quire doctor` finds wrong with hub, cache, disk, memory and runtime, and which command it names.

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { diagnose, type Facts, type Problem } from '../../ts/src/cli/diagnosis.js'
import { runQuire } from './quire-command.js'

const fine: Facts = {
  nodeVersion: '20.19.0',
  nativeError: undefined,
  selectionError: undefined,
  missingEnvironments: [],
  freeMemoryBytes: 8 * 2 ** 30,
  hub: { endpoint: 'https://hub', state: 'reachable', token: 'none' },
  cache: { directory: '/cache', exists: true, freeBytes: 100 * 2 ** 30 },
  models: [],
}
const model = {
  id: 'a/b',
  directory: '/cache/x',
  sizeBytes: 3 * 2 ** 30,
  incompleteBytes: 0,
  lastUsedMs: 0,
  revisions: [],
}

const rows: readonly [string, Partial<Facts>, readonly [RegExp, string, boolean][]][] = [
  ['nothing', {}, []],
  ['another runtime', { nodeVersion: undefined }, []],
  ['offline on purpose', { hub: { ...fine.hub, state: 'offline', reason: 'HF_HUB_OFFLINE=1' } }, []],
  ['an old Node', { nodeVersion: '18.20.1' }, [[/Node 18\.20\.1 is too old/, 'npx -p node@20', true]]],
  ['no native module', { nativeError: 'no such file' }, [[/native module .*no such file/, 'npm install', true]]],
  ['nothing to run on', { selectionError: 'none can' }, [[/none can/, 'QUIRE_PLUGINS=none', true]]],
  [
    'an environment',
    { missingEnvironments: [{ name: 'torch', state: 'half made' }] },
    [[/torch is half made/, 'npx quire setup torch', false]],
  ],
  ['little memory', { freeMemoryBytes: 2 ** 28 }, [[/Only 256\.0 MiB of memory/, '--kv-cache-memory', false]]],
  [
    'no hub',
    { hub: { ...fine.hub, state: 'unreachable', reason: 'ENOTFOUND' } },
    [[/does not answer \(ENOTFOUND\)/, 'HF_ENDPOINT', false]],
  ],
  [
    'a bad token',
    { hub: { ...fine.hub, token: 'refused' } },
    [[/refuses the token/, 'export HF_TOKEN=<token>  # from https://hub/settings/tokens', false]],
  ],
  [
    'a read-only cache',
    { cache: { ...fine.cache, unwritable: 'EROFS' } },
    [[/\/cache cannot be written \(EROFS\)/, 'export HF_HUB_CACHE', false]],
  ],
  [
    'a full disk',
    { cache: { ...fine.cache, freeBytes: 2 ** 20 } },
    [[/Only 1\.0 MiB are free/, 'export HF_HUB_CACHE', false]],
  ],
  [
    'a full disk with a model',
    { cache: { ...fine.cache, freeBytes: 2 ** 20 }, models: [model] },
    [[/Only 1\.0 MiB/, 'npx quire rm a/b  # frees 3.0 GiB', false]],
  ],
  [
    'an interrupted download',
    { models: [{ ...model, incompleteBytes: 5 * 2 ** 20 }] },
    [[/a\/b was cut off, and 5\.0 MiB/, 'npx quire pull a/b', false]],
  ],
  [
    'fatal first',
    { freeMemoryBytes: 1, nativeError: 'x' },
    [
      [/native/, 'npm', true],
      [/memory/, 'npx', false],
    ],
  ],
]
for (const [name, facts, expected] of rows) {
  test(`diagnosis: ${name}`, t => {
    const problems = diagnose({ ...fine, ...facts })
    t.is(problems.length, expected.length)
    for (const [index, [what, cure, isFatal]] of expected.entries()) {
      const problem = problems[index] as Problem
      t.regex(problem.what, what)
      t.true(problem.cure.includes(cure), problem.cure)
      t.is(problem.isFatal, isFatal)
    }
  })
}

async function hub(t: ExecutionContext, status: number): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end('{}'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface DoctorReport {
  readonly hub: { readonly state: string; readonly token: string; readonly reason?: string }
  readonly cache: { readonly directory: string; readonly unwritable?: string; readonly numModels: number }
  readonly problems: readonly Problem[]
  readonly environment: Readonly<Record<string, string>>
}

async function doctor(env: Record<string, string>): Promise<DoctorReport> {
  const cwd = await mkdtemp(join(tmpdir(), 'quire-doctor-'))
  const { stdout } = await runQuire(['doctor', '--json'], { cwd, env: { HF_HOME: cwd, ...env } })
  return JSON.parse(stdout) as DoctorReport
}

test('the hub: there, with a token that it takes or refuses, broken, away, not asked', async t => {
  const [good, bad, broken] = [await hub(t, 200), await hub(t, 401), await hub(t, 502)]
  t.like((await doctor({ HF_ENDPOINT: bad })).hub, { state: 'reachable', token: 'none' })
  t.like((await doctor({ HF_ENDPOINT: good, HF_TOKEN: 'mine' })).hub, { state: 'reachable', token: 'accepted' })
  const refused = await doctor({ HF_ENDPOINT: bad, HF_TOKEN: 'mine' })
  t.is(refused.hub.token, 'refused')
  t.is(refused.environment.HF_TOKEN, '(set)')
  t.true(refused.problems.some(({ cure }) => cure.startsWith('export HF_TOKEN')))
  t.like((await doctor({ HF_ENDPOINT: broken })).hub, { state: 'unreachable', reason: 'it answered 502' })
  t.like((await doctor({ HF_ENDPOINT: 'http://127.0.0.1:1' })).hub, { state: 'unreachable' })
  t.like((await doctor({ HF_ENDPOINT: good, HF_HUB_OFFLINE: '1' })).hub, {
    state: 'offline',
    reason: 'HF_HUB_OFFLINE=1',
  })
})

test('variables that cannot be are told, and the rest is still looked at', async t => {
  const endpoint = await hub(t, 200)
  const home = await mkdtemp(join(tmpdir(), 'quire-doctor-'))
  await writeFile(join(home, 'token'), 'not a token')
  const {
    problems,
    hub: state,
    environment,
  } = await doctor({
    HF_HOME: home,
    HF_ENDPOINT: endpoint,
    HF_HUB_ETAG_TIMEOUT: 'soon',
    HTTPS_PROXY: 'http://me:secret@proxy:1',
  })
  t.is(state.state, 'reachable')
  t.deepEqual(problems.map(({ cure }) => cure).sort(), [
    'hf auth login  # writes the token anew',
    'unset HF_HUB_ETAG_TIMEOUT',
  ])
  t.is(environment.HTTPS_PROXY, 'http://...@proxy:1')
})

test('the cache: one that is not there yet, and one that is a file', async t => {
  const HF_ENDPOINT = await hub(t, 200)
  const folder = await mkdtemp(join(tmpdir(), 'quire-doctor-'))
  await mkdir(join(folder, 'there', 'models--a--b', 'blobs'), { recursive: true })
  await writeFile(join(folder, 'there', 'models--a--b', 'blobs', 'x.incomplete'), 'xx')
  const there = await doctor({ HF_ENDPOINT, HF_HUB_CACHE: join(folder, 'there') })
  t.like(there.cache, { directory: join(folder, 'there'), numModels: 1 })
  t.deepEqual(
    there.problems.map(({ cure }) => cure),
    ['npx quire pull a/b  # or `npx quire rm a/b`'],
  )
  t.like((await doctor({ HF_ENDPOINT, HF_HUB_CACHE: join(folder, 'not', 'yet') })).cache, { numModels: 0 })
  await writeFile(join(folder, 'file'), '')
  const broken = await doctor({ HF_ENDPOINT, HF_HUB_CACHE: join(folder, 'file', 'cache') })
  t.regex(broken.cache.unwritable ?? '', /is no folder|ENOTDIR/)
  t.true(broken.problems.some(({ cure }) => cure.startsWith('export HF_HUB_CACHE')))
})

test('info --json has what info prints', async t => {
  const cwd = await mkdtemp(join(tmpdir(), 'quire-info-'))
  const env = { HF_HUB_CACHE: join(cwd, 'cache') }
  const report = JSON.parse((await runQuire(['info', '--json'], { cwd, env })).stdout) as {
    quire: string
    modelCache: string
    frameworks: { name: string }[]
  }
  const text = (await runQuire(['info'], { cwd, env })).stdout
  t.is(report.modelCache, join(cwd, 'cache'))
  for (const part of [report.quire, report.modelCache, report.frameworks[0]?.name as string])
    t.true(text.includes(part))
})
