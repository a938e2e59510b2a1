// The same page in Chromium, Firefox and WebKit: the tokens of the native engine, from a host of its own and from another one.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { LLM } from 'quire-llm'
import { bundledModelDirectory } from '../../ts/dist/config/node.js'
import { browsers } from './other-browsers.js'
import { StaticServer } from './static-server.js'

const packageFolder = fileURLToPath(new URL('../../ts', import.meta.url))
const isBuilt = ['relaxed', 'simd', 'threads'].every(name =>
  existsSync(join(packageFolder, 'wasm', name, 'quire_bg.wasm')),
)

const PROMPTS = ['Once upon a time', 'Lily and her dog', 'What is the capital of France?', 'One day, a boy'.repeat(30)]
const ALL_PARAMS = [
  { temperature: 0, maxTokens: 24 },
  { temperature: 0.9, topK: 40, topP: 0.95, maxTokens: 24, seed: 7 },
]
const OPTIONS = { dtype: 'float32', maxModelLen: 512 } as const

const GENERATE = `
  const quire = await import(given.module)
  const llm = await quire.LLM.create({ model: given.model, ...given.options })
  const tokens = []
  for (const params of given.all) {
    const outputs = await llm.generate(given.prompts, params)
    tokens.push(outputs.map(({ outputs }) => outputs[0].tokenIds))
  }
  await llm.close()
  return { tokens, isolated: crossOriginIsolated }`

interface Said {
  readonly tokens: number[][][]
  readonly isolated: boolean
}

let native: Promise<readonly (readonly number[])[][]> | undefined

async function nativeTokens(): Promise<readonly (readonly number[])[][]> {
  await using llm = await LLM.create({ ...OPTIONS, numBlocks: 256, threads: 1 })
  const tokens = []
  for (const params of ALL_PARAMS) {
    const outputs = await llm.generate(PROMPTS, params)
    tokens.push(outputs.map(({ outputs }) => [...(outputs[0]?.tokenIds ?? [])]))
  }
  return tokens
}

for (const browser of browsers) {
  const why =
    browser.why ?? (isBuilt ? undefined : 'not all builds of the WebAssembly module are there: npm run build:wasm')
  if (why !== undefined) {
    test.skip(`${browser.name}: ${why}`, () => {})
    continue
  }

  test.serial(
    `${browser.name}: the tokens of the native engine, with and without threads, from here and from elsewhere`,
    async t => {
      t.timeout(240_000)
      native ??= nativeTokens()
      const tokens = await native
      const folder = await mkdtemp(join(tmpdir(), 'quire-page-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      await writeFile(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>quire</title>')
      const files = { quire: packageFolder, model: bundledModelDirectory() }
      const site = await StaticServer.start({ page: folder, ...files })
      t.teardown(() => site.close())
      const elsewhere = await StaticServer.start(files)
      t.teardown(() => elsewhere.close())
      elsewhere.isShared = true

      for (const isolates of [false, true]) {
        site.isolates = isolates
        const page = await browser.open(`${site.url}page/index.html`)
        try {
          for (const { url } of [site, elsewhere]) {
            const said = await page.run<Said>(GENERATE, {
              module: `${url}quire/dist/web/bundle/quire.js`,
              model: `${url}model/`,
              options: { ...OPTIONS, threads: 2, storage: 'none' },
              prompts: PROMPTS,
              all: ALL_PARAMS,
            })
            t.is(said.isolated, isolates)
            t.deepEqual(said.tokens, tokens as number[][][])
          }
        } finally {
          await page.close()
        }
      }
      const builds = new Set(
        elsewhere.requests.map(({ path }) => /wasm\/(\w+)\/quire_bg/.exec(path)?.[1]).filter(Boolean),
      )
      t.deepEqual(builds, new Set(browser.fuses ? ['relaxed', 'threads'] : ['simd']))
    },
  )

  test.serial(
    `${browser.name}: a model stays where the browser stores files; what goes wrong has a type, and the page goes on`,
    async t => {
      t.timeout(240_000)
      const folder = await mkdtemp(join(tmpdir(), 'quire-page-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      await writeFile(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><title>quire</title>')
      const site = await StaticServer.start({ page: folder, quire: packageFolder, model: bundledModelDirectory() })
      t.teardown(() => site.close())
      const page = await browser.open(`${site.url}page/index.html`)
      t.teardown(() => page.close())
      const said = await page.run<{ codes: string[]; texts: string[] }>(
        `const quire = await import('/quire/dist/web/bundle/quire.js')
       const codes = []
       for (const options of [{ model: '/nothing/' }, { model: '/model/', assets: { wasm: '/nothing' } }, { model: '/model/', maxModelLen: 1 << 20 }]) {
         await quire.LLM.create(options).catch(error => codes.push(error.code))
       }
       const stopped = new AbortController()
       stopped.abort()
       await quire.LLM.create({ model: '/model/', signal: stopped.signal }).catch(error => codes.push(error.code))
       const texts = []
       for (let time = 0; time < 2; time += 1) {
         const llm = await quire.LLM.create({ model: '/model/' })
         const params = { temperature: 0, maxTokens: 40, structuredOutputs: { json: given } }
         const [{ outputs }] = await llm.generate(['Once upon a time'], params)
         texts.push(outputs[0].text)
         await llm.close()
       }
       return { codes, texts }`,
        {
          type: 'object',
          properties: { age: { type: 'integer', minimum: 0, maximum: 99 } },
          required: ['age'],
          additionalProperties: false,
        },
      )
      t.deepEqual(said.codes, ['ERR_MODEL_NOT_FOUND', 'ERR_NATIVE_BINDING', 'ERR_INVALID_ARGUMENT', 'ERR_ABORTED'])
      t.is(said.texts[0], said.texts[1])
      t.is(typeof JSON.parse(said.texts[0] ?? '').age, 'number')
      const asked = site.requests.filter(({ path, method }) => method === 'GET' && path.endsWith('/model.safetensors'))
      if (browser.hasStorage) t.true(asked.length > 0 && asked.length < 4, `${asked.length} requests for the weights`)
    },
  )

  test.serial(`${browser.name}: a page whose policy forbids WebAssembly is told what to allow`, async t => {
    t.timeout(120_000)
    const folder = await mkdtemp(join(tmpdir(), 'quire-page-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'index.html'), '<!doctype html><title>quire</title>')
    const site = await StaticServer.start({ page: folder, quire: packageFolder, model: bundledModelDirectory() })
    t.teardown(() => site.close())
    const said: string[] = []
    for (const policy of ["default-src 'self'", "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"]) {
      site.policy = policy
      const page = await browser.open(`${site.url}page/index.html`)
      const load = `
        const quire = await import('/quire/dist/web/bundle/quire.js')
        const llm = await quire.LLM.create({ model: '/model/' }).catch(error => error)
        await llm.close?.()
        return llm.code + ' ' + llm.message`
      said.push(await page.run<string>(load, null).finally(() => page.close()))
    }
    t.regex(said[0] ?? '', /^ERR_NATIVE_BINDING .*Let the page's policy have 'wasm-unsafe-eval' in script-src\.$/s)
    t.is(said[1], 'undefined undefined')
  })
}
