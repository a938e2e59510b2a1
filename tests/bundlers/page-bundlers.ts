// How bundlers make a page of `main.js` and `index.html` in a folder, as docs/browser.md says.

import { cp, mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface PageBundler {
  /** What the page gives as `assets`, in JavaScript: the files that a bundler does not find by itself. */
  readonly assets?: string
  /** @param cache folder whose node_modules has the bundlers; @param source the page's; @param output made there. */
  bundle(cache: string, source: string, output: string): Promise<void>
}

export const pageHtml = (script: string) =>
  `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`

async function vite(cache: string, source: string, output: string): Promise<void> {
  const path = createRequire(join(cache, 'package.json')).resolve('vite')
  const { build } = (await import(pathToFileURL(path).href)) as { build: (options: object) => Promise<unknown> }
  await build({
    root: source,
    base: './',
    configFile: false,
    logLevel: 'silent',
    build: { outDir: output, target: 'esnext', minify: false },
    worker: { format: 'es' },
  })
}

async function webpack(cache: string, source: string, output: string): Promise<void> {
  const pack = createRequire(join(cache, 'package.json'))('webpack') as (
    configuration: object,
    done: (error: Error | null, stats?: { hasErrors(): boolean; toString(): string }) => void,
  ) => void
  await new Promise<void>((resolve, reject) => {
    const configuration = {
      mode: 'production',
      optimization: { minimize: false },
      context: source,
      entry: './main.js',
      output: { path: output, filename: 'main.js', publicPath: 'auto' },
    }
    pack(configuration, (error, stats) => {
      if (error !== null || stats === undefined || stats.hasErrors()) reject(error ?? new Error(stats?.toString()))
      else resolve()
    })
  })
  await writeFile(join(output, 'index.html'), pageHtml('main.js'))
}

/** It follows no addresses of files: those are copied, and named in `assets`. */
async function esbuild(_cache: string, source: string, output: string): Promise<void> {
  const { build } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild')
  await build({
    absWorkingDir: source,
    entryPoints: ['main.js'],
    outdir: output,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  })
  const modules = join(source, 'node_modules')
  await cp(join(modules, 'quire-llm/dist/web/worker.js'), join(output, 'quire/worker.js'))
  for (const name of ['relaxed', 'simd', 'threads']) {
    const file = join(name, 'quire_bg.wasm')
    await mkdir(join(output, 'quire', name), { recursive: true })
    await cp(join(modules, '@quire-llm/wasm', file), join(output, 'quire', file)).catch(ignoreMissing)
  }
  await writeFile(join(output, 'index.html'), pageHtml('main.js'))
}

/** An app may lack the package. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

export const pageBundlers: Readonly<Record<string, PageBundler>> = {
  Vite: { bundle: vite },
  webpack: { bundle: webpack },
  esbuild: { bundle: esbuild, assets: "{ worker: './quire/worker.js', wasm: './quire' }" },
}
