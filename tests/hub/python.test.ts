// The cache is Python's: what huggingface_hub downloads we find without a network, and what we download it finds.

import { execFile } from 'node:child_process'
import { lstat, mkdtemp, readdir, readlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { listCache, planRemoval, removeFromCache, resolveModel } from '../../ts/src/hub/index.js'
import { CLIENTS, environmentPython } from '../environments/make.mjs'
import { type HubCase, hubCase, MODEL, modelFiles, neededFiles } from './hub-case.js'
import { commit } from './hub-server.js'

const execute = promisify(execFile)
const sha = commit(modelFiles).sha

/** A Python with huggingface_hub, or why there is none. Several tests of one run share it. */
async function makePython(): Promise<{ readonly python: string } | { readonly reason: string }> {
  const given = process.env.QUIRE_TEST_HUB_PYTHON
  if (given !== undefined) return { python: given }
  const clients = environmentPython(CLIENTS)
  if (await execute(clients, ['-c', 'import huggingface_hub']).catch(() => undefined)) return { python: clients }
  const folder = await mkdtemp(join(tmpdir(), 'quire-hub-python-'))
  const python = join(folder, 'venv', 'bin', 'python')
  try {
    await execute('python3', ['-m', 'venv', join(folder, 'venv')])
    await execute(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'huggingface_hub==2.4.0'], {
      timeout: 240_000,
    })
    return { python }
  } catch (error) {
    return { reason: `no huggingface_hub can be installed here: ${String(error).split('\n')[0]}` }
  }
}

const made = makePython()

async function runPython(
  { cacheDir, server }: HubCase,
  python: string,
  script: string,
  offline = false,
): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HF_ENDPOINT: server.endpoint,
    HF_HUB_CACHE: cacheDir,
    HF_HOME: join(cacheDir, 'home'),
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    ...(offline && { HF_HUB_OFFLINE: '1' }),
  }
  const file = join(await mkdtemp(join(tmpdir(), 'quire-hub-script-')), 'script.py')
  await writeFile(file, script)
  return (await execute(python, [file], { env })).stdout.trim()
}

/** Every file of a cache's model: what it is and where it points. */
async function layout(repository: string): Promise<Record<string, string>> {
  const entries = await readdir(repository, { recursive: true, withFileTypes: true })
  const found: Record<string, string> = {}
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(repository.length + 1)
    if (entry.isDirectory() || name.startsWith('trees') || name.startsWith('.no_exist')) continue
    found[name] = entry.isSymbolicLink() ? `-> ${await readlink(path)}` : `${(await lstat(path)).size} bytes`
  }
  return found
}

const download = (names: readonly string[]): string => `
from huggingface_hub import snapshot_download
print(snapshot_download(${JSON.stringify(MODEL)}, allow_patterns=${JSON.stringify(names)}))
`

test('what Python downloaded we find offline', async t => {
  const found = await made
  if ('reason' in found) return t.log(`SKIPPED: ${found.reason}`)
  const given = await hubCase(t)
  const directory = await runPython(given, found.python, download(neededFiles))
  t.is(directory, join(given.repository, 'snapshots', sha))
  given.server.asked.length = 0
  t.is(await resolveModel(MODEL, { ...given.options, offline: true }), directory)
  t.deepEqual(given.server.asked, [])
  t.is(await resolveModel(MODEL, given.options), directory)
  t.is(given.server.asked.length, 1)
  const [model] = await listCache(given.cacheDir)
  t.is(model?.revisions[0]?.isComplete, true)
})

test('what Python downloaded in part we complete', async t => {
  const found = await made
  if ('reason' in found) return t.log(`SKIPPED: ${found.reason}`)
  const given = await hubCase(t)
  await runPython(given, found.python, download(['config.json', 'tokenizer.json']))
  await t.throwsAsync(resolveModel(MODEL, { ...given.options, offline: true }), { code: 'ERR_HUB_OFFLINE' })
  given.server.asked.length = 0
  await resolveModel(MODEL, given.options)
  t.false(given.server.asked.some(({ path }) => path.endsWith('/config.json') || path.endsWith('/tokenizer.json')))
})

test('what we downloaded Python finds offline, and its cache scan and ours agree', async t => {
  const found = await made
  if ('reason' in found) return t.log(`SKIPPED: ${found.reason}`)
  const given = await hubCase(t)
  const directory = await resolveModel(MODEL, given.options)
  given.server.asked.length = 0
  const script = `
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
names = ${JSON.stringify(neededFiles)}
scan = scan_cache_dir()
(repo,) = scan.repos
(revision,) = repo.revisions
print(json.dumps({
    "snapshot": snapshot_download(${JSON.stringify(MODEL)}),
    "files": [hf_hub_download(${JSON.stringify(MODEL)}, name) for name in names],
    "warnings": [str(warning) for warning in scan.warnings],
    "id": repo.repo_id, "size": repo.size_on_disk, "commit": revision.commit_hash, "refs": sorted(revision.refs),
}))
`
  const report = JSON.parse(await runPython(given, found.python, script, true)) as Record<string, unknown>
  const [model] = await listCache(given.cacheDir)
  t.deepEqual(report, {
    snapshot: directory,
    files: neededFiles.map(name => join(directory, name)),
    warnings: [],
    id: MODEL,
    size: model?.sizeBytes,
    commit: sha,
    refs: ['main'],
  })
  t.deepEqual(given.server.asked, [])
})

test('both lay out the same files and links', async t => {
  const found = await made
  if ('reason' in found) return t.log(`SKIPPED: ${found.reason}`)
  const [ours, theirs] = [await hubCase(t), await hubCase(t)]
  await resolveModel(MODEL, ours.options)
  await runPython(theirs, found.python, download(neededFiles))
  t.deepEqual(await layout(ours.repository), await layout(theirs.repository))
})

test('Python goes on with what we downloaded, and its scan is sound after we remove a revision', async t => {
  const found = await made
  if ('reason' in found) return t.log(`SKIPPED: ${found.reason}`)
  const given = await hubCase(t)
  const next = commit({ ...modelFiles, 'config.json': '{"architectures":["Next"]}' })
  given.server.repositories.set(MODEL, { revisions: { main: commit(modelFiles), next } })
  await resolveModel(MODEL, given.options)
  await resolveModel(`${MODEL}@next`, given.options)
  given.server.asked.length = 0
  await runPython(given, found.python, download([...neededFiles, 'README.md']))
  t.deepEqual(
    given.server.asked
      .filter(({ method, path }) => method === 'GET' && path.includes('/resolve/'))
      .map(({ path }) => path),
    [`/${MODEL}/resolve/${sha}/README.md`],
  )
  await removeFromCache(await planRemoval(given.cacheDir, MODEL, 'next'))
  const script = `
from huggingface_hub import scan_cache_dir
scan = scan_cache_dir()
print(len(scan.warnings), [sorted(r.refs) for repo in scan.repos for r in repo.revisions])
`
  t.is(await runPython(given, found.python, script, true), "0 [['main']]")
})
