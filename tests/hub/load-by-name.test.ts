// LLM.create and Engine.create with a model by name: the hub's directory is what is loaded, options reach the hub, and a
// mistake is told before anything is downloaded.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Engine, LLM } from 'quire-llm'
import { bundledModelDirectory } from '../../ts/src/config/node.js'
import { DownloadBar } from '../../ts/src/progress-bar.js'
import { hubCase } from './hub-case.js'
import type { Content } from './hub-server.js'
import { commit } from './hub-server.js'

const ID = 'acme/bundled'

/** The bundled model, as the hub has it. */
async function bundledFiles(): Promise<Record<string, Content>> {
  const directory = bundledModelDirectory()
  const names = (await readdir(directory)).filter(name => /\.(?:json|safetensors|jinja)$/.test(name))
  return Object.fromEntries(
    await Promise.all(names.map(async name => [name, await readFile(join(directory, name))] as const)),
  )
}

const greedy = { maxTokens: 8, temperature: 0 } as const

test.serial('a model by name generates what the same model by path does', async t => {
  const { server, cacheDir } = await hubCase(t, await bundledFiles(), ID)
  process.env.HF_ENDPOINT = server.endpoint
  t.teardown(() => {
    delete process.env.HF_ENDPOINT
  })
  const phases = new Set<string>()
  await using byName = await LLM.create({ model: ID, cacheDir, onDownload: ({ phase }) => phases.add(phase) })
  await using byPath = await LLM.create({ numBlocks: 64 })
  const [one, other] = await Promise.all([
    byName.generate('Once upon a time', greedy),
    byPath.generate('Once upon a time', greedy),
  ])
  t.deepEqual(one.outputs[0]?.tokenIds, other.outputs[0]?.tokenIds)
  t.true(phases.has('download') && phases.has('done'))
  server.asked.length = 0
  const engine = await Engine.create({ model: ID, cacheDir, offline: true, numBlocks: 64 })
  await engine.close()
  t.deepEqual(server.asked, [])
})

test.serial('revision, token and tokenizer reach the hub', async t => {
  const files = await bundledFiles()
  const { server, cacheDir } = await hubCase(t, files, ID)
  server.repositories.set(ID, { revisions: { v2: commit(files) }, token: 'right' })
  server.repositories.set('acme/words', { revisions: { main: commit(files) } })
  process.env.HF_ENDPOINT = server.endpoint
  t.teardown(() => {
    delete process.env.HF_ENDPOINT
  })
  const options = { model: ID, revision: 'v2', hfToken: 'right', tokenizer: 'acme/words', cacheDir, numBlocks: 64 }
  await using llm = await LLM.create(options)
  t.true((await llm.tokenize('Hello')).length > 0)
  t.deepEqual((await readdir(cacheDir)).filter(name => name.startsWith('models--')).sort(), [
    'models--acme--bundled',
    'models--acme--words',
  ])
  t.false(server.asked.some(({ path }) => path.includes('acme/words') && path.endsWith('.safetensors')))
})

test.serial('a mistake in another option is told before anything is asked', async t => {
  const { server, cacheDir } = await hubCase(t)
  process.env.HF_ENDPOINT = server.endpoint
  t.teardown(() => {
    delete process.env.HF_ENDPOINT
  })
  await t.throwsAsync(LLM.create({ model: ID, cacheDir, blockSize: 0 }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(LLM.create({ model: ID, cacheDir, onDownload: 5 as never }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(LLM.create({ model: ID, cacheDir, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  t.deepEqual(server.asked, [])
  await t.throwsAsync(LLM.create({ model: `${ID}@../x`, cacheDir }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(LLM.create({ model: ID, cacheDir, offline: true }), { code: 'ERR_HUB_OFFLINE' })
  await t.throwsAsync(LLM.create({ model: 'bundled' }), {
    code: 'ERR_MODEL_NOT_FOUND',
    message: /neither a folder here/,
  })
})

test.serial('a model that nobody can run is refused before its weights are looked for', async t => {
  const llama = '"architectures":["LlamaForCausalLM"],"quantization_config":'
  const weights = Buffer.alloc(20_000, 1)
  for (const [config, file, message] of [
    ['{"architectures":["MartianForCausalLM"]}', 'model.safetensors', /MartianForCausalLM is not supported/],
    ['{"architectures":["MartianForCausalLM"]}', 'pytorch_model.bin', /MartianForCausalLM is not supported/],
    [`{${llama}{"quant_method":"bitsandbytes"}}`, 'model.safetensors', /quant_method` = bitsandbytes is not supported/],
    [`{${llama}{"quant_method":"gptq","bits":3}}`, 'model.safetensors', /config\.json of .*bits` = 3 is not supported/],
  ] as const) {
    const { server, cacheDir } = await hubCase(
      t,
      { ...(await bundledFiles()), 'config.json': config, [file]: weights },
      ID,
    )
    process.env.HF_ENDPOINT = server.endpoint
    t.teardown(() => {
      delete process.env.HF_ENDPOINT
    })
    await t.throwsAsync(LLM.create({ model: ID, cacheDir }), {
      code: 'ERR_MODEL_UNSUPPORTED',
      message,
    })
    const content = server.asked
      .filter(({ path }) => path.includes('/resolve/'))
      .map(({ path }) => path.split('/').at(-1))
    t.deepEqual([...new Set(content)], ['config.json'])
  }
})

test.serial('a folder that has the name is taken', async t => {
  const { server, cacheDir } = await hubCase(t)
  await mkdir(join(cacheDir, ID), { recursive: true })
  await writeFile(join(cacheDir, ID, 'config.json'), '{"architectures":["MartianForCausalLM"]}')
  await t.throwsAsync(LLM.create({ model: join(cacheDir, ID) }), { code: 'ERR_MODEL_UNSUPPORTED' })
  t.deepEqual(server.asked, [])
})

const half = {
  phase: 'download',
  file: 'a',
  loaded: 512,
  total: 1024,
  allLoaded: 512,
  allTotal: 1024,
  numFiles: 2,
  numFilesDone: 1,
  rate: 256,
  eta: 2,
} as const

test('the line of a download', t => {
  const draw = (
    isTTY: boolean,
    env: Record<string, string>,
    ...progress: readonly (typeof half | object)[]
  ): string => {
    let text = ''
    const bar = new DownloadBar(
      {
        isTTY,
        columns: 90,
        write: part => {
          text += part
        },
      },
      env,
    )
    for (const each of progress) bar.show({ ...half, ...each })
    bar.finish()
    return text
  }
  t.is(draw(true, {}, half), '\r[############............] 1/2 files, 512 B of 1.0 KiB, 256 B/s, 2 s left\u001b[K\n')
  t.regex(draw(true, {}, { phase: 'wait' }), /another process downloads a/)
  t.regex(draw(true, {}, half, { phase: 'verify', allLoaded: 1024, rate: 0 }), /checking a/)
  t.is(draw(false, {}, half), '')
  t.is(draw(true, { HF_HUB_DISABLE_PROGRESS_BARS: '1' }, half), '')
  t.is(draw(true, {}, { phase: 'done', allLoaded: 1024 }), '', 'a model that was there draws nothing')
})
