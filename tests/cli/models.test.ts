// `quire pull`, `list`, `rm` and `tokenize`, as a user calls them, against a hub on loopback.

import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { rmCommand } from '../../ts/src/cli/rm.js'
import { bundledModelDirectory } from '../../ts/src/config/node.js'
import { hubCase, MODEL, modelFiles, neededFiles, WEIGHTS } from '../hub/hub-case.js'
import { type Content, commit, type HubServer, sha256 } from '../hub/hub-server.js'
import { type Finished, runQuire } from './quire-command.js'

const sha = commit(modelFiles).sha

interface App {
  readonly server: HubServer
  readonly cacheDir: string
  quire(
    args: readonly string[],
    more?: { env?: Record<string, string>; interruptAfter?: RegExp; input?: string },
  ): Promise<Finished>
}

async function app(t: ExecutionContext, files?: Readonly<Record<string, Content>>): Promise<App> {
  const { server, cacheDir } = await hubCase(t, files)
  const cwd = await mkdtemp(join(tmpdir(), 'quire-app-'))
  const env = { HF_ENDPOINT: server.endpoint, HF_HUB_CACHE: cacheDir, HF_HOME: cwd }
  return { server, cacheDir, quire: (args, more) => runQuire(args, { cwd, ...more, env: { ...env, ...more?.env } }) }
}

test('pull brings a model and says where it is; again, it brings nothing', async t => {
  const { quire, cacheDir, server } = await app(t)
  const first = await quire(['pull', MODEL])
  t.is(first.code, 0, first.stderr)
  const path = join(cacheDir, 'models--acme--tiny-model', 'snapshots', sha)
  t.regex(first.stdout, /^acme\/tiny-model@main \([0-9a-f]{12}\): 7 files, 295\.\d KiB, 295\.\d KiB new\n/)
  t.is(first.stdout.split('\n')[1], path)
  t.regex(first.stderr, /^quire: downloading 29\d\.\d KiB of acme\/tiny-model\n$/, 'no bar where there is no terminal')
  server.asked.length = 0
  const second = await quire(['pull', `${MODEL}@${sha}`, '--json'])
  const report = JSON.parse(second.stdout) as { files: { name: string; isNew: boolean }[] }
  t.like(report, { model: MODEL, revision: sha, commit: sha, path, newBytes: 0 })
  t.deepEqual(report.files.map(({ name }) => name).sort(), neededFiles)
  t.is(server.asked.length, 1)
})

test('pull of several, of a tokenizer, into another cache, with a token', async t => {
  const { quire, server } = await app(t)
  server.repositories.set('acme/other', { revisions: { v1: commit(modelFiles) }, token: 'right' })
  const other = await mkdtemp(join(tmpdir(), 'quire-cache-'))
  const options = ['--tokenizer-only', '--cache-dir', other, '--hf-token', 'right', '--json']
  const { code, stdout, stderr } = await quire(['pull', ...options, MODEL, 'acme/other@v1'])
  t.is(code, 0, stderr)
  t.is(stdout.trim().split('\n').length, 2)
  t.deepEqual((await readdir(other)).filter(name => name.startsWith('models')).sort(), [
    'models--acme--other',
    'models--acme--tiny-model',
  ])
  t.false(server.asked.some(({ path }) => path.endsWith('.safetensors')))
  t.notRegex(stdout + stderr, /right/)
})

test('Ctrl-C ends a pull with 130; the next goes on', async t => {
  const { quire, server, cacheDir } = await app(t)
  server.fail(({ path }) => path === `/${sha256(WEIGHTS)}`, { kind: 'slow', pieceBytes: 3000, pauseMs: 100 }, 1)
  const stopped = await quire(['pull', MODEL], { interruptAfter: /downloading/ })
  t.is(stopped.code, 130, stopped.stderr)
  t.regex(stopped.stderr, /quire: interrupted\. Run the same command again to go on from here\.\n$/)
  t.deepEqual(await readdir(join(cacheDir, '.locks', 'models--acme--tiny-model')), [])
  const next = await quire(['pull', MODEL])
  t.is(next.code, 0, next.stderr)
})

const failures: readonly [string, readonly string[], Record<string, string>, 1 | 2, RegExp][] = [
  ['pull without a name', ['pull'], {}, 2, /Which model\?/],
  ['pull of a bare name', ['pull', 'gpt2'], {}, 1, /neither a folder here .* \[ERR_MODEL_NOT_FOUND\]/],
  ['pull of nobody', ['pull', 'acme/none'], {}, 1, /no model 'acme\/none' .* \[ERR_HUB_NOT_FOUND\]/],
  ['pull of a wrong revision', ['pull', 'acme/tiny-model@a b'], {}, 2, /revision/],
  [
    'pull offline',
    ['pull', MODEL],
    { HF_HUB_OFFLINE: '1' },
    1,
    /Nothing can be pulled, and HF_HUB_OFFLINE=1 forbids .* \[ERR_HUB_OFFLINE\]/,
  ],
  ['pull from no hub', ['pull', MODEL], { HF_ENDPOINT: 'nonsense' }, 2, /HF_ENDPOINT must be an address/],
  [
    'generate with a model that is not there, offline',
    ['generate', '--model', MODEL, '--offline', '--prompt', 'x'],
    {},
    1,
    /Run `quire pull acme\/tiny-model`/,
  ],
  ['rm without a name', ['rm', '--yes'], {}, 2, /quire list/],
  ['rm without a terminal', ['rm', MODEL], {}, 2, /give --yes/],
  [
    'rm of nobody',
    ['rm', 'acme/none', '--yes'],
    {},
    1,
    /has no model 'acme\/none'\. It is empty\. \[ERR_HUB_NOT_FOUND\]/,
  ],
  ['rm of a path', ['rm', '../../..', '--yes'], {}, 1, /ERR_HUB_NOT_FOUND/],
  ['tokenize of two texts', ['tokenize', 'a', 'b'], {}, 2, /one text/],
  ['tokenize in two forms', ['tokenize', 'a', '--ids', '--json'], {}, 2, /one of --ids/],
  ['list of something', ['list', 'stray'], {}, 2, /stray/],
]
for (const [name, args, env, code, message] of failures) {
  test(`an error: ${name}`, async t => {
    const { quire } = await app(t)
    const finished = await quire(args, { env })
    t.is(finished.code, code, finished.stderr)
    t.regex(finished.stderr, message)
    t.notRegex(finished.stderr, /\n\s+at /)
    t.is(finished.stdout, '')
  })
}

test('list and rm: two revisions, one goes, then all', async t => {
  const { quire, server, cacheDir } = await app(t)
  t.regex((await quire(['list'])).stdout, /^No models in .*quire pull/)
  server.repositories.set(MODEL, {
    revisions: {
      main: commit(modelFiles),
      dev: commit({ ...modelFiles, 'model.safetensors': WEIGHTS.subarray(0, 2000) }),
    },
  })
  await quire(['pull', MODEL, `${MODEL}@dev`])
  const { stdout } = await quire(['list'])
  t.regex(stdout, /^model +revision +size +last used\n/)
  t.regex(
    stdout,
    new RegExp(`\\nacme/tiny-model +main \\(${sha.slice(0, 12)}\\) +295\\.\\d KiB +\\d{4}-\\d\\d-\\d\\d\\n`),
  )
  t.regex(stdout, /\n1 models, 297\.\d KiB in /)
  const listed = JSON.parse((await quire(['list', '--json'])).stdout) as {
    cacheDir: string
    models: { revisions: { refs: string[]; isComplete: boolean }[] }[]
  }
  t.is(listed.cacheDir, cacheDir)
  t.deepEqual(listed.models[0]?.revisions.map(({ refs, isComplete }) => `${refs} ${isComplete}`).sort(), [
    'dev true',
    'main true',
  ])
  t.deepEqual(JSON.parse((await quire(['rm', `${MODEL}@dev`, '--yes', '--json'])).stdout), {
    model: MODEL,
    isWhole: false,
    commits: [commit({ ...modelFiles, 'model.safetensors': WEIGHTS.subarray(0, 2000) }).sha],
    freedBytes: 2000,
  })
  t.regex((await quire(['rm', MODEL, '--yes'])).stdout, /^Removed acme\/tiny-model, 295\.\d KiB\.\n$/)
  t.regex((await quire(['list'])).stdout, /^No models/)
})

test.serial('rm asks on a terminal', async t => {
  const { quire, cacheDir } = await app(t)
  await quire(['pull', MODEL])
  const ask = async (answer: string): Promise<{ code: number; asked: string }> => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const running = rmCommand.run([MODEL, '--cache-dir', cacheDir], { stdin, stdout, stderr })
    stdin.end(`${answer}\n`)
    return { code: await running, asked: String(stderr.read()) }
  }
  const no = await ask('')
  t.is(no.code, 1)
  t.regex(no.asked, /^Remove acme\/tiny-model, 295\.\d KiB\? \[y\/N\] [\s\S]*nothing was removed/)
  t.is((await readdir(cacheDir)).filter(name => name.startsWith('models')).length, 1)
  t.is((await ask('y')).code, 0)
  t.is((await readdir(cacheDir)).filter(name => name.startsWith('models')).length, 0)
})

test('tokenize: pieces, ids, count and JSON agree; text as argument or on standard input', async t => {
  const { quire } = await app(t)
  const text = 'Once upon a time'
  const lines = (await quire(['tokenize', text])).stdout.trimEnd().split('\n')
  const parsed = lines.slice(0, -1).map(line => /^ *(\d+) {2}(".*")$/.exec(line))
  const ids = parsed.map(match => Number(match?.[1]))
  t.is(lines.at(-1), `${ids.length} tokens`)
  t.true(
    parsed
      .map(match => JSON.parse(match?.[2] ?? '""') as string)
      .join('')
      .endsWith(text),
  )
  t.is((await quire(['tokenize', text, '--ids'])).stdout, `${ids.join(' ')}\n`)
  t.is((await quire(['tokenize', '--count'], { input: text })).stdout, `${ids.length}\n`)
  t.like(
    JSON.parse((await quire(['tokenize', '--json', '--model', bundledModelDirectory()], { input: text })).stdout),
    { count: ids.length, ids },
  )
  const bare = (await quire(['tokenize', '--no-special-tokens', '--ids', '--', text])).stdout
    .trim()
    .split(' ')
    .map(Number)
  t.deepEqual(bare, ids.slice(-bare.length))
  t.true(bare.length < ids.length)
  t.is((await quire(['tokenize', '--no-special-tokens', '--count'], { input: '' })).stdout, '0\n')
  const option = await quire(['tokenize', '--count', '--', '--help'])
  t.is(option.stdout, (await quire(['tokenize', '--count'], { input: '--help' })).stdout)
})

test('tokenize brings the tokenizer of a model by name, and no weights', async t => {
  const directory = bundledModelDirectory()
  const names = ['tokenizer.json', 'tokenizer_config.json', 'config.json', 'model.safetensors']
  const files = Object.fromEntries(
    await Promise.all(names.map(async name => [name, await readFile(join(directory, name))] as const)),
  )
  const { quire, server } = await app(t, files)
  const { stdout, stderr } = await quire(['tokenize', 'Once', '--model', MODEL, '--count'])
  t.regex(stdout, /^[12]\n$/, stderr)
  t.false(server.asked.some(({ path }) => path.endsWith('.safetensors')))
})
