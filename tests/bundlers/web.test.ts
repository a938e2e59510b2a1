// Web pages that bundlers made of `quire-llm/web`, opened in a browser: the Worker's script and the module come along by themselves.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { LLM } from 'quire-llm'
import { cachedPackages } from '../apps/cached-packages.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'
import { BUNDLERS } from '../packages/bundlers.js'
import { QuireSite, whyNoPage } from '../web/quire-page.js'

const bundlers = await cachedPackages('package-checks', BUNDLERS)
const why = typeof bundlers === 'string' ? whyNoPage() : bundlers.reason

const folder = await mkdtemp(join(tmpdir(), 'quire-web-bundles-'))
test.after.always('the folder is removed', () => rm(folder, { recursive: true, force: true }))

const PROMPT = 'Once upon a time'
const program = `
import { LLM } from 'quire-llm/web'
async function generate() {
  const llm = await LLM.create({ model: '/model/', storage: 'none', numBlocks: 64 })
  const { outputs: [output] } = await llm.generate(${JSON.stringify(PROMPT)}, { temperature: 0, maxTokens: 8 })
  await llm.close()
  return output.text
}
generate().catch(String).then(text => { globalThis.text = text })
`
const html = (script: string) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`

/** Makes a page of `main.js` in the folder. */
type Bundle = (cache: string, output: string) => Promise<void>

const vite: Bundle = async (cache, output) => {
  const path = createRequire(join(cache, 'package.json')).resolve('vite')
  const { build } = (await import(pathToFileURL(path).href)) as { build: (options: object) => Promise<unknown> }
  await build({
    root: folder,
    base: './',
    configFile: false,
    logLevel: 'silent',
    build: { outDir: output, target: 'esnext', minify: false },
    worker: { format: 'es' },
  })
}

const webpack: Bundle = async (cache, output) => {
  const pack = createRequire(join(cache, 'package.json'))('webpack') as (
    configuration: object,
    done: (error: Error | null, stats?: { hasErrors(): boolean; toString(): string }) => void,
  ) => void
  await new Promise<void>((resolve, reject) => {
    const configuration = {
      mode: 'production',
      optimization: { minimize: false },
      context: folder,
      entry: './main.js',
      output: { path: output, filename: 'main.js', publicPath: 'auto' },
    }
    pack(configuration, (error, stats) => {
      if (error !== null || stats === undefined || stats.hasErrors()) reject(error ?? new Error(stats?.toString()))
      else resolve()
    })
  })
  await writeFile(join(output, 'index.html'), html('main.js'))
}

const installed = (async () => {
  if (why !== undefined) return
  await unpackTarballs(folder, name => isDefault(name) || name === '@quire-llm/wasm')
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', type: 'module', private: true }))
  await writeFile(join(folder, 'main.js'), program)
  await writeFile(join(folder, 'index.html'), html('./main.js'))
})()
installed.catch(() => {}) // told by the first test that awaits it

for (const [name, bundle] of Object.entries({ Vite: vite, webpack })) {
  const title = `${name}: a page`
  if (why !== undefined || typeof bundlers !== 'string') {
    test.skip(`${title} (${why})`, () => {})
    continue
  }
  test.serial(title, async t => {
    await installed
    const output = join(folder, `site-${name}`)
    await mkdir(output)
    await bundle(bundlers, output)
    await using llm = await LLM.create({ numBlocks: 64, threads: 1 })
    const expected = (await llm.generate(PROMPT, { temperature: 0, maxTokens: 8 })).outputs[0]?.text
    const site = await QuireSite.open({ site: output })
    try {
      const { page, errors } = await site.visit('site/index.html')
      await page.waitForFunction('globalThis.text !== undefined', undefined, { timeout: 240_000 })
      t.is(await page.evaluate('globalThis.text'), expected)
      t.deepEqual(errors, [])
    } finally {
      await site.close()
    }
  })
}
