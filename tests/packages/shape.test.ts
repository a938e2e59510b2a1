// What is in the tarballs: they lint clean, their types resolve as their code does and stand for themselves, and what an app does not
// use is not in its bundle.

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import ts from 'typescript'
import { cachedPackages } from '../apps/cached-packages.js'
import { ownTarballs, unpackTarballs } from '../apps/own-tarballs.js'
import limits from './bundle-limits.json' with { type: 'json' }
import { BUNDLERS } from './bundlers.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const checkers = await cachedPackages('package-checks', BUNDLERS)

/** A folder below the repository, whose node_modules have what the packages depend on. */
const cache = join(root, '.cache')
await mkdir(cache, { recursive: true })
const folder = await mkdtemp(join(cache, 'shape-'))
test.after.always('the folder is removed', () => rm(folder, { recursive: true, force: true }))

/** Every package unpacked below one node_modules. */
const unpacked = unpackTarballs(folder, () => true)
unpacked.catch(() => {}) // told by the first test that awaits it

/** A package of the cache; they are ES modules, or export themselves to CommonJS too. */
async function imported<Module>(name: string): Promise<Module> {
  const require = createRequire(join(checkers as string, 'package.json'))
  return (await import(pathToFileURL(require.resolve(name)).href)) as Module
}

if (typeof checkers !== 'string') {
  test.skip(`publint and are-the-types-wrong: ${checkers.reason}`, () => {})
} else {
  test('publint has nothing to say of any package', async t => {
    const { publint } = await imported<{ publint: (options: object) => Promise<{ messages: { path?: unknown }[] }> }>(
      'publint',
    )
    for (const { name, path } of await ownTarballs()) {
      const tarball = new Uint8Array(await readFile(path)).buffer
      const { messages } = await publint({ pack: { tarball }, strict: true })
      t.deepEqual(messages, [], name)
    }
  })

  test('are-the-types-wrong finds the types of every entry, for ES modules and for bundlers', async t => {
    interface Problem {
      readonly kind: string
      readonly resolutionKind?: string
      readonly resolutionOption?: string
    }
    const { checkPackage, createPackageFromTarballData } = await imported<{
      createPackageFromTarballData: (bytes: Uint8Array) => unknown
      checkPackage: (contents: unknown) => Promise<{ types: unknown; problems?: readonly Problem[] }>
    }>('@arethetypeswrong/core')
    for (const { name, path } of await ownTarballs()) {
      const { types, problems = [] } = await checkPackage(
        createPackageFromTarballData(new Uint8Array(await readFile(path))),
      )
      // Packages of ES modules: Node 10 knows no `exports`, and CommonJS gets them by `import()` or Node's own `require(esm)`.
      const found = problems.filter(({ kind, resolutionKind, resolutionOption }) => {
        const resolution = resolutionKind ?? resolutionOption
        return resolution !== 'node10' && !(resolution === 'node16-cjs' && kind === 'CJSResolvesToESM')
      })
      t.deepEqual(found, [], name)
      t.is(types === false, /-(linux|darwin|win32)-/.test(name), name)
    }
  })
}

test('the types stand for themselves: an app that checks libraries too compiles against the tarballs', async t => {
  await unpacked
  const entries = await entriesOf('quire-llm')
  const source = entries
    .map((entry, index) => `import * as entry${index} from '${entry}'\nvoid entry${index}\n`)
    .join('')
  await writeFile(join(folder, 'app.mts'), source)
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.asynciterable.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  }
  const program = ts.createProgram([join(folder, 'app.mts')], options)
  const ours = join(folder, 'node_modules')
  const said = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file === undefined || file.fileName.startsWith(ours) || file.fileName.endsWith('app.mts'))
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
  t.deepEqual(said, [])
})

/** What `import` names of a package and has types: files that are loaded by their address left out. */
async function entriesOf(name: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  return Object.entries(manifest.exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path]) => join(name, path))
}

/** The files that a part of a manifest names, those by a pattern left out. */
function filesOf(part: unknown): string[] {
  if (typeof part === 'string') return part.includes('*') ? [] : [part]
  return typeof part === 'object' && part !== null ? Object.values(part).flatMap(filesOf) : []
}

test('every file that a package exports or starts is in its tarball', async t => {
  for (const name of await unpacked) {
    const own = join(folder, 'node_modules', name)
    const { exports = {}, bin = {}, main } = JSON.parse(await readFile(join(own, 'package.json'), 'utf8'))
    const files = [exports, bin, main === undefined ? [] : `./${main}`].flatMap(filesOf)
    t.true(files.length > 0, name)
    for (const file of files) t.true(existsSync(join(own, file)), `${name}: ${file}`)
  }
})

/** The bundler that tsx brings. */
const besideTsx = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'))
const { build } = besideTsx('esbuild') as typeof import('esbuild')

for (const [title, { code, limitBytes }] of Object.entries(limits)) {
  test(`a bundle of ${title} has at most ${limitBytes} bytes`, async t => {
    await unpacked
    const { outputFiles } = await build({
      stdin: { contents: code, resolveDir: folder },
      bundle: true,
      minify: true,
      write: false,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
    })
    const size = outputFiles[0]?.contents.length ?? 0
    t.log(`${size} bytes`)
    t.true(size > 0 && size <= limitBytes, `${size} bytes: keep it out, or raise the limit in bundle-limits.json`)
  })
}
