// A model by name: which files come, how they lie in the cache, and what a second call asks.

import { lstat, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { PullProgress } from '../../ts/src/hub/index.js'
import { pull, resolveModel } from '../../ts/src/hub/index.js'
import { bytes, hubCase, MODEL, modelFiles, neededFiles, WEIGHTS } from './hub-case.js'
import { type Content, commit, etagOf, gitHash, sha256 } from './hub-server.js'

const sha = commit(modelFiles).sha

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => !entry.isDirectory())
    .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort()
}

test('a name becomes a snapshot with what is needed, laid out as Python does', async t => {
  const { options, repository, cacheDir, server } = await hubCase(t)
  const directory = await resolveModel(MODEL, options)
  t.is(directory, join(repository, 'snapshots', sha))
  t.deepEqual(await filesIn(directory), neededFiles)
  for (const name of neededFiles) {
    const content = modelFiles[name] as string
    t.deepEqual(await readFile(join(directory, name)), Buffer.from(content), name)
    const up = '../'.repeat(name.split('/').length + 1)
    t.is(await readlink(join(directory, name)), `${up}blobs/${etagOf(content)}`)
    t.true((await lstat(join(repository, 'blobs', etagOf(content)))).isFile())
  }
  t.deepEqual(
    (await readdir(join(repository, 'blobs'))).sort(),
    neededFiles.map(name => etagOf(modelFiles[name] as string)).sort(),
  )
  t.is(await readFile(join(repository, 'refs', 'main'), 'utf8'), sha)
  t.regex(await readFile(join(cacheDir, 'CACHEDIR.TAG'), 'utf8'), /^Signature: 8a477f597d28d172789f06886806bc55/)
  t.deepEqual(await readdir(join(cacheDir, '.locks', 'models--acme--tiny-model')), [])
  t.is((await stat(join(repository, 'blobs', sha256(WEIGHTS)))).size, WEIGHTS.length)
  t.false(server.asked.some(({ path }) => /\.(?:bin|gguf|onnx|md)$|gitattributes/.test(path)))
})

test('a large file comes in parts, each byte once', async t => {
  const { options, server } = await hubCase(t)
  await resolveModel(MODEL, options)
  t.deepEqual(
    server
      .downloadsOf(WEIGHTS)
      .map(({ range }) => range)
      .sort(),
    ['bytes=0-99999', 'bytes=100000-199999', 'bytes=200000-299999'],
  )
})

test('a second call asks which commit it is and nothing else', async t => {
  const { options, server } = await hubCase(t)
  const first = await resolveModel(MODEL, options)
  server.asked.length = 0
  t.is(await resolveModel(MODEL, options), first)
  t.deepEqual(
    server.asked.map(({ path }) => path),
    [`/api/models/${MODEL}/revision/main`],
  )
})

test('a commit that is in the cache asks nobody', async t => {
  const { options, server } = await hubCase(t)
  const first = await resolveModel(`${MODEL}@${sha}`, options)
  server.asked.length = 0
  t.is(await resolveModel(`${MODEL}@${sha}`, options), first)
  t.deepEqual(server.asked, [])
})

test('a revision is a branch, a tag, a reference or a commit', async t => {
  const { options, server, repository } = await hubCase(t)
  const other = commit({ ...modelFiles, 'config.json': '{"architectures":["Other"]}' })
  server.repositories.set(MODEL, { revisions: { main: commit(modelFiles), 'v1.0': other, 'refs/pr/1': other } })
  for (const [model, more, ref] of [
    [`${MODEL}@v1.0`, {}, 'v1.0'],
    [`${MODEL}@refs/pr/1`, {}, 'refs/pr/1'],
    [MODEL, { revision: 'v1.0' }, 'v1.0'],
    [`${MODEL}@${other.sha}`, {}, undefined],
  ] as const) {
    t.is(await resolveModel(model, { ...options, ...more }), join(repository, 'snapshots', other.sha))
    if (ref !== undefined) t.is(await readFile(join(repository, 'refs', ...ref.split('/')), 'utf8'), other.sha)
  }
  t.is(server.downloadsOf(WEIGHTS).length, 3, 'content that two revisions share is there once')
})

test('a branch that moved is followed; what did not change is not fetched again', async t => {
  const { options, server, repository } = await hubCase(t)
  await resolveModel(MODEL, options)
  const next = commit({ ...modelFiles, 'config.json': '{"architectures":["Next"]}' })
  server.repositories.set(MODEL, { revisions: { main: next } })
  t.is(await resolveModel(MODEL, options), join(repository, 'snapshots', next.sha))
  t.is(await readFile(join(repository, 'refs', 'main'), 'utf8'), next.sha)
  t.is(server.downloadsOf(WEIGHTS).length, 3)
})

const sharded = {
  'config.json': '{}',
  'tokenizer.json': '{}',
  'model.safetensors.index.json': JSON.stringify({
    weight_map: {
      a: 'model-00001-of-00002.safetensors',
      b: 'model-00002-of-00002.safetensors',
      c: 'model-00001-of-00002.safetensors',
    },
  }),
  'model-00001-of-00002.safetensors': bytes(150_000, 5),
  'model-00002-of-00002.safetensors': bytes(1200, 6),
  'consolidated.safetensors': bytes(2000, 7),
  'pytorch_model-00001-of-00002.bin': bytes(2000, 8),
}

test('shards are those that the index names', async t => {
  const { options } = await hubCase(t, sharded)
  t.deepEqual(await filesIn(await resolveModel(MODEL, options)), [
    'config.json',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
    'model.safetensors.index.json',
    'tokenizer.json',
  ])
})

test('one file of weights is taken before an index', async t => {
  const { options } = await hubCase(t, { ...sharded, 'model.safetensors': bytes(2000) })
  const files = await filesIn(await resolveModel(MODEL, options))
  t.deepEqual(files, ['config.json', 'model.safetensors', 'tokenizer.json'])
})

const indexes: readonly [string, string][] = [
  ['a shard that is not listed', '{"weight_map":{"a":"absent.safetensors"}}'],
  ['a shard outside', '{"weight_map":{"a":"../../config.safetensors"}}'],
  ['a shard by an absolute path', '{"weight_map":{"a":"/etc/x.safetensors"}}'],
  ['a number', '{"weight_map":{"a":5}}'],
  ['no map', '{}'],
  ['no JSON', '{"weight_map"'],
  ['null', 'null'],
]
for (const [name, index] of indexes) {
  test(`an index is refused: ${name}`, async t => {
    const { options } = await hubCase(t, { ...sharded, 'model.safetensors.index.json': index })
    const error = await t.throwsAsync(resolveModel(MODEL, options), { name: 'HubError' })
    t.regex((error as { code?: string }).code ?? '', /^ERR_HUB_(DOWNLOAD|NOT_FOUND)$/)
  })
}

test('weights of other formats are named, and not fetched', async t => {
  const { 'model.safetensors': _, 'model-q4.gguf': __, ...others } = modelFiles
  const { options, server } = await hubCase(t, others)
  await t.throwsAsync(resolveModel(MODEL, options), {
    code: 'ERR_HUB_NOT_FOUND',
    message: /no model\.safetensors and no model\.safetensors\.index\.json, only pytorch_model\.bin, onnx\/model\.onnx/,
  })
  t.deepEqual(server.downloadsOf(undefined), [])
})

test('a tokenizer alone brings no weights', async t => {
  const { options } = await hubCase(t)
  const files = await filesIn(await resolveModel(MODEL, { ...options, purpose: 'tokenizer' }))
  t.deepEqual(files, [
    'additional_chat_templates/tool_use.jinja',
    'chat_template.jinja',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  t.is((await filesIn(await resolveModel(MODEL, options))).length, neededFiles.length)
})

test('the modules of a sentence embedder come with it', async t => {
  const { options } = await hubCase(t, {
    ...modelFiles,
    'modules.json': '[]',
    '1_Pooling/config.json': '{"a":2}',
    '2_Dense/model.safetensors': bytes(1500, 9),
    '2_Dense/pytorch_model.bin': bytes(1500, 10),
  })
  const files = await filesIn(await resolveModel(MODEL, options))
  t.deepEqual(
    files.filter(name => /modules|_/.test(name) && !neededFiles.includes(name)),
    ['1_Pooling/config.json', '2_Dense/model.safetensors', 'modules.json'],
  )
})

test('without symbolic links files are moved, and copied where two want one', async t => {
  const twice: Readonly<Record<string, Content>> = {
    ...modelFiles,
    'additional_chat_templates/rag.jinja': '{{ messages }}',
  }
  const { options, server, repository } = await hubCase(t, twice)
  const env = { ...options.env, HF_HUB_DISABLE_SYMLINKS: '1' }
  const directory = await resolveModel(MODEL, { ...options, env })
  for (const name of await filesIn(directory)) {
    t.true((await lstat(join(directory, name))).isFile())
    t.deepEqual(await readFile(join(directory, name)), Buffer.from(twice[name] as string))
  }
  t.deepEqual(await readdir(join(repository, 'blobs')), [gitHash('{{ messages }}')])
  server.asked.length = 0
  t.is(await resolveModel(MODEL, { ...options, env }), directory)
  t.is(server.asked.length, 1)
  t.is(await resolveModel(MODEL, { ...options, env, offline: true }), directory)
})

test('a blob or a link that was broken is mended', async t => {
  const { options, repository, server } = await hubCase(t)
  const directory = await resolveModel(MODEL, options)
  await writeFile(join(repository, 'blobs', sha256(WEIGHTS)), 'cut')
  await rm(join(repository, 'blobs', etagOf(modelFiles['config.json'] as string)))
  await resolveModel(MODEL, options)
  t.deepEqual(await readFile(join(directory, 'model.safetensors')), WEIGHTS)
  t.is(await readFile(join(directory, 'config.json'), 'utf8'), modelFiles['config.json'] as string)
  t.is(server.downloadsOf(WEIGHTS).length, 6)
})

test('progress goes from nothing to everything', async t => {
  const { options } = await hubCase(t)
  const seen: PullProgress[] = []
  await resolveModel(MODEL, { ...options, onProgress: progress => seen.push(progress) })
  const total = neededFiles.reduce((sum, name) => sum + Buffer.byteLength(modelFiles[name] as string), 0)
  t.is(seen[0]?.phase, 'resolve')
  const last = seen.at(-1) as PullProgress
  t.like(last, { phase: 'done', allLoaded: total, allTotal: total, numFiles: 7, numFilesDone: 7, eta: 0 })
  t.true(seen.some(({ rate }) => rate > 0))
  t.true(seen.some(({ phase, file }) => phase === 'verify' && file === 'model.safetensors'))
  const weights = seen.filter(({ file }) => file === 'model.safetensors')
  t.true(weights.every(({ loaded, total: all }) => loaded <= all && all === WEIGHTS.length))
})

test('what the caller throws on progress ends the pull and is thrown', async t => {
  const { options } = await hubCase(t)
  const mine = new Error('mine')
  const onProgress = ({ phase }: PullProgress): void => {
    if (phase === 'download') throw mine
  }
  t.is(await t.throwsAsync(resolveModel(MODEL, { ...options, onProgress })), mine)
})

test('pull asks even for what is there, and tells what was new', async t => {
  const { options, server } = await hubCase(t)
  const first = await pull(`${MODEL}@${sha}`, options)
  t.true(first.files.every(({ isNew }) => isNew))
  server.asked.length = 0
  const second = await pull(`${MODEL}@${sha}`, options)
  t.is(server.asked.length, 1)
  t.false(second.files.some(({ isNew }) => isNew))
  t.like(second, { commit: sha, directory: first.directory, name: { id: MODEL, revision: sha } })
})

test('a path that exists wins over a name', async t => {
  const { options, cacheDir, server } = await hubCase(t)
  await mkdir(join(cacheDir, MODEL), { recursive: true })
  t.is(await resolveModel(MODEL, options), join(cacheDir, MODEL))
  t.is(await resolveModel(join(cacheDir, MODEL), options), join(cacheDir, MODEL))
  t.deepEqual(server.asked, [])
})
