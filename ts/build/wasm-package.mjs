// The package of the WebAssembly module and of what pages load without a bundler. It is as large as all of Quire, and only web apps
// want it: so it is a package of its own, which `quire-llm` names as an optional peer.
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inRoot } from './repository.mjs'
import { StepError } from './step-error.mjs'

const NAME = '@quire-llm/wasm'

/** From `ts/dist/binding/wasm` and `ts/dist/web/bundle` the builds are here. */
const BUILDS = '../../../wasm/'

/**
 * Takes what belongs to that package out of quire-llm's, which then asks for it.
 * @param {string} stage where packages are staged
 * @param {string} folder of quire-llm there
 * @param {object} manifest its package.json
 * @returns {Promise<{ manifest: object, folder?: string }>} quire-llm's manifest, and the folder of the package if there is a module
 */
export async function splitWasm(stage, folder, manifest) {
  const door = join(folder, 'dist', 'binding', 'wasm')
  const bundle = join(folder, 'dist', 'web', 'bundle')
  const target = join(stage, NAME)
  await mkdir(target, { recursive: true })
  await movedBuilds(door, target)
  await rename(bundle, join(target, 'bundle'))
  const asking = {
    ...manifest,
    peerDependencies: { ...manifest.peerDependencies, [NAME]: manifest.version },
    peerDependenciesMeta: { ...manifest.peerDependenciesMeta, [NAME]: { optional: true } },
  }
  if (!(await isWasmBuilt())) {
    await rm(target, { recursive: true })
    return { manifest: asking }
  }
  for (const name of await readdir(join(target, 'bundle'))) {
    const path = join(target, 'bundle', name)
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll(BUILDS, '../'))
  }
  await cp(inRoot('ts', 'wasm'), target, { recursive: true, filter: path => !path.endsWith('.ts') })
  await cp(inRoot('LICENSE'), join(target, 'LICENSE'))
  await writeFile(
    join(target, 'README.md'),
    `# ${NAME}\n\nQuire's WebAssembly module, for \`quire-llm/web\`, and \`bundle/quire.js\`, the same without a bundler.\n`,
  )
  return { manifest: asking, folder: target }
}

/** @returns {Promise<boolean>} whether all builds are there that the compiled TypeScript speaks of: bundlers look for each. */
export async function isWasmBuilt() {
  const text = await readFile(inRoot('ts', 'dist', 'binding', 'wasm', 'builds.js'), 'utf8')
  const names = [...text.matchAll(/\/wasm\/(\w+)\/quire_bg\.wasm'/g)].map(([, name]) => name)
  return names.length > 0 && names.every(name => existsSync(inRoot('ts', 'wasm', name, 'quire_bg.wasm')))
}

/** @returns {object} of the package, with the version and licence of quire-llm. */
export function wasmManifest({ version, license, engines }) {
  return {
    name: NAME,
    version,
    description: "Quire's WebAssembly module: engines of language models on web pages.",
    license,
    type: 'module',
    sideEffects: ['./bundle/worker.js'],
    engines,
    exports: {
      '.': { types: './builds.d.ts', default: './builds.js' },
      // The builds' folders, and the bundle's.
      './*': './*',
    },
  }
}

/** The file that says where they lie, moved to them; what imports it does so from the package then. Types are bundled from where they are. */
async function movedBuilds(door, target) {
  for (const name of ['builds.js', 'builds.d.ts']) {
    await writeFile(join(target, name), (await readFile(join(door, name), 'utf8')).replaceAll(BUILDS, './'))
  }
  await rm(join(door, 'builds.js'))
  const importer = join(door, 'import-builds.js')
  const text = await readFile(importer, 'utf8')
  const here = "import('./builds.js')"
  if (!text.includes(here)) throw new StepError(`${importer} does not import the builds.`)
  await writeFile(importer, text.replace(here, `import('${NAME}')`))
}
