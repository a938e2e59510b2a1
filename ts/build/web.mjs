// Bundles what runs on web pages from the compiled TypeScript: the Worker's script, which bundlers and pages load as it is, and
// the page's side as modules that need no bundler. WebAssembly stays beside them, in ts/wasm.
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { inRoot } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'

const web = inRoot('ts', 'dist', 'web')

/** In this folder `import.meta.url` is as far from ts/wasm as in `dist/binding/wasm`, where it stands in the sources. */
const bundle = join(web, 'bundle')

/**
 * The JavaScript around the module. Where it was not built, pages say so when they load it; builds that have the same share it, since a
 * Worker loads one build only.
 */
const glue = {
  name: 'glue',
  setup(bundler) {
    const paths = new Map()
    bundler.onResolve({ filter: /\/wasm\/(?:relaxed|simd|threads)\/quire\.js$/ }, ({ path, resolveDir }) => {
      const file = join(resolveDir, path)
      if (!existsSync(file)) return { path, external: true }
      const text = readFileSync(file, 'utf8')
      if (!paths.has(text)) paths.set(text, file)
      return { path: paths.get(text) }
    })
  },
}

const options = {
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  legalComments: 'eof',
  logLevel: 'silent',
  plugins: [glue],
}

/**
 * The page hands the module in. Bundlers that take up the script must not look for it beside the script, which may have the address of
 * a Blob: any address will do.
 */
const workerOptions = { define: { 'import.meta.url': '"file:///"' } }

/** @throws {StepError} something of Node's is reached from there. */
export async function bundleWeb() {
  try {
    await rm(bundle, { recursive: true, force: true })
    await build({ ...options, ...workerOptions, entryPoints: { worker: join(web, 'worker-entry.js') }, outdir: web })
    await build({
      ...options,
      entryPoints: { quire: join(web, 'index.js'), worker: join(web, 'worker.js') },
      outdir: bundle,
      splitting: true,
      chunkNames: '[name]-[hash]',
    })
  } catch (error) {
    throw new StepError(`Bundling for web pages failed: ${error.message}`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(bundleWeb)
