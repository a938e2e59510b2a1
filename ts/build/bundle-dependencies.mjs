// Puts the npm packages that Quire is written with into its own: only what is used of them, in a few files, so that an install
// brings no others. In the repository they stay packages; only what is packed has them inside.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'
import { minify } from 'terser'
import ts from 'typescript'
import { inRoot } from './repository.mjs'
import { StepError } from './step-error.mjs'

/** The packages, and where their code can run: what pages load too must not speak of Node. */
export const BUNDLED = { 'js-yaml': 'node', pino: 'node', 'prom-client': 'node', undici: 'node', zod: 'neutral' }

/** In `dist`. */
const FOLDER = 'third-party'

/** The licences of what is inside, in the package's folder. */
export const LICENCES = 'THIRD-PARTY-LICENSES'

/** A line of a licence that says whose the package is. */
const COPYRIGHT = /^\s*copyright (\(c\)|©|\d{4})/i

/** The licence of Quire, whose text is beside. */
const APACHE = 'Apache-2.0'

/** Packages in CommonJS call `require`, which modules do not have. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/** In lines of a length that an error's trace can show. */
const LINE_LENGTH = 200

/**
 * Our own modules: without comments and spaces, with short names inside of functions. Functions and classes keep theirs, by which traces and
 * errors are read, and no call is added for that, as esbuild's names want: what has one is in every bundle of an app. What bundlers
 * are told about an import stays.
 */
const OWN = {
  parse: { module: true },
  compress: false,
  mangle: { module: false, toplevel: false, keep_classnames: true, keep_fnames: true },
  format: { comments: /webpackIgnore|@vite-ignore/, max_line_len: LINE_LENGTH },
}

/** Those of others. */
const SHORT = { minify: true, keepNames: true, lineLimit: LINE_LENGTH, legalComments: 'none' }

/**
 * Bundles what the JavaScript in `dist` of a staged package imports, makes it import that, and makes it short.
 * @param {string} folder of the staged package
 * @param {object} manifest its package.json
 * @returns {Promise<object>} the manifest without what is inside now
 * @throws {StepError} an import that cannot be bundled, or a package without a licence.
 */
export async function bundleDependencies(folder, manifest) {
  const dist = join(folder, 'dist')
  const files = (await readdir(dist, { recursive: true })).filter(file => file.endsWith('.js'))
  const used = new Map()
  for (const file of files) {
    const path = join(dist, file)
    const text = await readFile(path, 'utf8')
    for (const [specifier, names] of namesImported(path, text)) {
      used.set(specifier, new Set([...(used.get(specifier) ?? []), ...names]))
    }
    const renamed = renameImports(text, specifier => pathFrom(dirname(file), specifier))
    await writeFile(path, (await minify(renamed, OWN)).code)
  }
  const packages = new Set()
  for (const platform of new Set(Object.values(BUNDLED))) {
    const entries = [...used].filter(([specifier]) => BUNDLED[packageOf(specifier)] === platform)
    for (const each of await bundle(entries, platform, join(dist, FOLDER))) packages.add(each)
  }
  await writeFile(join(folder, LICENCES), await licencesOf([...packages].sort()))
  const dependencies = Object.fromEntries(Object.entries(manifest.dependencies).filter(([name]) => !(name in BUNDLED)))
  return { ...manifest, dependencies, files: [...manifest.files, LICENCES] }
}

/** The same text with other names of modules; `rename` gives undefined for those that stay. */
function renameImports(text, rename) {
  let renamed = text
  for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles.toReversed()) {
    const name = rename(fileName)
    // `pos` is that of the quotation mark.
    if (name !== undefined) renamed = renamed.slice(0, pos + 1) + name + renamed.slice(pos + 1 + fileName.length)
  }
  return renamed
}

/** @returns {Map<string, readonly string[]>} of each bundled package's modules the names that a file imports. */
function namesImported(path, text) {
  const wanted = ts.preProcessFile(text, true, true).importedFiles.filter(({ fileName }) => isBundled(fileName))
  const found = new Map()
  if (wanted.length === 0) return found
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.Latest).statements) {
    const specifier = statement.moduleSpecifier?.text
    if (specifier === undefined || !isBundled(specifier)) continue
    const elements = statement.importClause?.namedBindings?.elements ?? statement.exportClause?.elements
    if (elements === undefined || statement.importClause?.name !== undefined) break
    const names = elements.map(({ propertyName, name }) => (propertyName ?? name).text)
    found.set(specifier, [...(found.get(specifier) ?? []), ...names])
  }
  for (const { fileName } of wanted) {
    if (!found.has(fileName))
      throw new StepError(`${path} must import ${fileName} by names, in no expression: they say what is packed of it.`)
  }
  return found
}

const packageOf = specifier => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

const isBundled = specifier => packageOf(specifier) in BUNDLED

const fileOf = specifier => specifier.replaceAll('/', '-')

function pathFrom(folder, specifier) {
  if (!isBundled(specifier)) return undefined
  const path = relative(folder, join(FOLDER, `${fileOf(specifier)}.js`)).replaceAll('\\', '/')
  return path.startsWith('.') ? path : `./${path}`
}

/** @returns {Promise<string[]>} the folders of the packages that code was taken of, relative to the repository. */
async function bundle(entries, platform, outdir) {
  const contents = new Map(
    entries.map(([specifier, names]) => [fileOf(specifier), `export { ${[...names].sort()} } from '${specifier}'`]),
  )
  const { metafile } = await build({
    absWorkingDir: inRoot(),
    entryPoints: [...contents.keys()].map(name => ({ in: `names:${name}`, out: name })),
    plugins: [namesPlugin(contents), oneLanguage, proxiesAlone],
    outdir,
    bundle: true,
    format: 'esm',
    platform,
    mainFields: ['module', 'main'],
    target: 'node20',
    ...SHORT,
    ...(platform === 'node' && { banner: { js: REQUIRE } }),
    metafile: true,
    logLevel: 'silent',
  })
  return Object.keys(metafile.inputs)
    .map(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
    .filter(path => path !== undefined)
}

/** Modules that export again what is used. */
function namesPlugin(contents) {
  return {
    name: 'names',
    setup(bundler) {
      bundler.onResolve({ filter: /^names:/ }, ({ path }) => ({
        path: path.slice('names:'.length),
        namespace: 'names',
      }))
      bundler.onLoad({ filter: /.*/, namespace: 'names' }, ({ path }) => ({
        contents: contents.get(path),
        resolveDir: inRoot('ts'),
      }))
    },
  }
}

/** zod's messages in some fifty languages are half of it; those of Quire are in English. */
const oneLanguage = {
  name: 'one-language',
  setup(bundler) {
    bundler.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    }))
  },
}

/** undici's own entry takes all of it along. And of its parser in WebAssembly there are two, of which Node.js takes that with SIMD. */
const proxiesAlone = {
  name: 'proxies-alone',
  setup(bundler) {
    bundler.onLoad({ filter: /[\\/]undici[\\/]index\.js$/ }, () => ({
      contents: `require('./lib/dispatcher/dispatcher').prototype.connect = require('./lib/api/api-connect')
        exports.fetch = require('./lib/web/fetch').fetch
        exports.ProxyAgent = require('./lib/dispatcher/proxy-agent')`,
    }))
    bundler.onLoad({ filter: /[\\/]llhttp[\\/]llhttp-wasm\.js$/ }, () => ({
      contents: "module.exports = require('./llhttp_simd-wasm.js')",
    }))
  },
}

/** Each text once, behind the packages that it is of and their copyright. */
async function licencesOf(packages) {
  const texts = new Map()
  for (const path of packages) {
    const { name, version, license, author } = JSON.parse(await readFile(inRoot(path, 'package.json'), 'utf8'))
    const file = (await readdir(inRoot(path))).find(each => /^licen[cs]e(\.\w+)?$/i.test(each))
    if (file === undefined && license === undefined) throw new StepError(`${path} has no licence.`)
    const own =
      file === undefined ? `${license}, ${author?.name ?? author ?? name}` : await readFile(inRoot(path, file), 'utf8')
    const lines = (license === APACHE ? `${APACHE}, whose text is in LICENSE` : own).trim().split(/\r?\n/)
    const body = lines.filter(line => !COPYRIGHT.test(line)).join('\n')
    const owner = [`${name} ${version}`, ...lines.filter(line => COPYRIGHT.test(line)).map(line => line.trim())]
    const { owners } = mapped(texts, body.replace(/\s+/g, ' ').trim(), () => ({ owners: [], body: body.trim() }))
    owners.push(owner.join('\n'))
  }
  const parts = [...texts.values()].map(({ owners, body }) => `${owners.join('\n\n')}\n\n${body}\n`)
  const head = 'Code of these packages is in dist/third-party, and in the bundles for web pages.\n'
  return [head, ...parts].join(`\n${'-'.repeat(80)}\n\n`)
}

function mapped(map, key, make) {
  if (!map.has(key)) map.set(key, make())
  return map.get(key)
}
