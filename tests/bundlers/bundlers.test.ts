// Programs for Node that bundlers made, built and run: with Quire left outside, as the guide says, and with all of its JavaScript inside.

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { cachedPackages } from '../apps/cached-packages.js'
import { InstalledApp } from '../apps/installed-app.js'
import { unpackTarballs } from '../apps/own-tarballs.js'
import { isDefault } from '../apps/plugin-packages.js'
import { succeeded } from '../apps/run-program.js'
import { BUNDLERS } from '../packages/bundlers.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const bundlers = await cachedPackages('package-checks', BUNDLERS)

const folder = await mkdtemp(join(tmpdir(), 'quire-bundlers-'))
test.after.always('the folder is removed', () => rm(folder, { recursive: true, force: true }))

/** Quire's packages as they are installed. */
const installed = unpackTarballs(folder, isDefault).then(() => folder)
installed.catch(() => {}) // told by the first test that awaits it

const generate = `
const llm = await LLM.create({ numBlocks: 64, threads: 1, model: MODEL })
const { outputs: [output] } = await llm.generate('Once upon a time', { temperature: 0, maxTokens: 8 })
await llm.close()
console.log(JSON.stringify(output.text))
`
const imports = "import { LLM } from 'quire-llm'\n"

/** What is left outside, and the program: in a bundle plugins are named, and the model has a path, as no package is around it. */
const ways: Readonly<Record<string, { readonly external: readonly string[]; readonly program: string }>> = {
  'Quire outside': { external: ['quire-llm'], program: imports + generate.replace(', model: MODEL', '') },
  'Quire inside, the packages with native code outside': {
    external: [],
    program:
      `import '@quire-llm/candle-cpu/register'\n${imports}` +
      generate.replace('MODEL', JSON.stringify(join(root, 'ts/assets/tiny-model'))),
  },
}

type Bundle = (input: string, output: string, external: readonly string[]) => Promise<void>

/** The bundler of this repository's own, and those of the cache. */
function esbuild(): Bundle {
  const { build } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild')
  return async (input, output, external) => {
    await build({
      entryPoints: [input],
      outfile: output,
      bundle: true,
      platform: 'node',
      format: 'esm',
      // Packages in CommonJS call \`require\`, which modules do not have.
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
      },
      external: [...external],
      logLevel: 'silent',
    })
  }
}

async function rolldown(cache: string): Promise<Bundle> {
  const path = createRequire(join(cache, 'package.json')).resolve('rolldown')
  const { build } = (await import(pathToFileURL(path).href)) as { build: (options: object) => Promise<unknown> }
  return async (input, output, external) => {
    await build({
      input,
      platform: 'node',
      external: [...external],
      logLevel: 'silent',
      output: { dir: join(output, '..'), entryFileNames: 'bundle.mjs' },
    })
  }
}

function webpack(cache: string): Bundle {
  const pack = createRequire(join(cache, 'package.json'))('webpack') as (
    configuration: object,
    done: (error: Error | null, stats?: { hasErrors(): boolean; toString(): string }) => void,
  ) => void
  return (input, output, external) =>
    new Promise((resolve, reject) => {
      const configuration = {
        mode: 'production',
        optimization: { minimize: false },
        target: 'node20',
        entry: input,
        context: folder,
        experiments: { outputModule: true },
        output: { path: join(output, '..'), filename: 'bundle.mjs', module: true, chunkFormat: 'module' },
        // What Quire asks of Node at run time is left to Node.
        module: { parser: { javascript: { createRequire: false, importMeta: false, url: false } } },
        externals: Object.fromEntries(external.map(name => [name, `module ${name}`])),
      }
      pack(configuration, (error, stats) => {
        if (error !== null || stats === undefined || stats.hasErrors()) reject(error ?? new Error(stats?.toString()))
        else resolve()
      })
    })
}

async function vite(cache: string): Promise<Bundle> {
  const path = createRequire(join(cache, 'package.json')).resolve('vite')
  const { build } = (await import(pathToFileURL(path).href)) as { build: (options: object) => Promise<unknown> }
  return async (input, output, external) => {
    await build({
      root: folder,
      configFile: false,
      logLevel: 'silent',
      build: {
        ssr: input,
        outDir: join(output, '..'),
        minify: false,
        rolldownOptions: { output: { entryFileNames: 'bundle.mjs' } },
      },
      ssr: external.length === 0 ? { noExternal: true } : { external: [...external] },
    })
  }
}

const all: Readonly<Record<string, (() => Promise<Bundle>) | { readonly reason: string }>> = {
  esbuild: async () => esbuild(),
  rolldown: typeof bundlers === 'string' ? () => rolldown(bundlers) : bundlers,
  'Vite, for servers': typeof bundlers === 'string' ? () => vite(bundlers) : bundlers,
  webpack: typeof bundlers === 'string' ? async () => webpack(bundlers) : bundlers,
}

let expected: string | undefined

for (const [name, open] of Object.entries(all)) {
  for (const [way, { external, program }] of Object.entries(ways)) {
    if (typeof open !== 'function') {
      test.skip(`${name}: ${way}: ${open.reason}`, () => {})
      continue
    }
    test.serial(`${name}: ${way}`, async t => {
      const app = new InstalledApp(await installed)
      const entry = `${name.replace(/\W+/g, '-')}-${external.length}`
      await app.write({ 'package.json': { name: 'app', type: 'module', private: true }, [`${entry}.mjs`]: program })
      const output = join(folder, 'dist', entry, 'bundle.mjs')
      await mkdir(join(output, '..'), { recursive: true })
      await (await open())(join(folder, `${entry}.mjs`), output, external)
      const text = succeeded(await app.run([process.execPath, output])).trim()
      expected ??= text
      t.regex(text, /\w/)
      t.is(text, expected)
      t.log(await readdir(join(output, '..')))
    })
  }
}
