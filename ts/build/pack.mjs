// `npm run pack [-- --profile release] [-- --binaries FOLDER] [-- --complete]`: builds, and writes the tarballs of every package to
// dist/packages, with the platform packages for whose platforms there are binaries: this machine's, and those of a folder.
// --complete refuses to leave out any. QUIRE_REPOSITORY is the address that the packages name as their source.
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { bundleDependencies, LICENCES } from './bundle-dependencies.mjs'
import { bundleTypes } from './bundle-types.mjs'
import { execute } from './execute.mjs'
import { platformPackages } from './platform-packages.mjs'
import { inRoot, packageFolders } from './repository.mjs'
import { runMain, StepError } from './step-error.mjs'
import { isWasmBuilt, splitWasm, wasmManifest } from './wasm-package.mjs'

/** The list of what was packed, beside the tarballs: as npm tells it, in the order in which the packages can be published. */
export const PACKED_INDEX = 'packages.json'

/** What no package has: npm would take some of it although `files` does not name it. */
const NEVER_PACKED = new Set(['node_modules', 'src', 'build', '__pycache__'])

/**
 * Packs what is built.
 * @param {string} output folder of the tarballs; tarballs that lie there are removed
 * @param {{ binaries?: string, complete?: boolean }} [options] binaries: a folder with addons of other platforms; complete: all must be there
 * @returns {Promise<{ name: string, filename: string, size: number, unpackedSize: number }[]>} as npm tells, in the order in which they can be published
 * @throws {StepError} a package lacks a part, or npm failed.
 */
export async function packPackages(output, options = {}) {
  const stage = await mkdtemp(join(tmpdir(), 'quire-pack-'))
  try {
    const platforms = await stagePlatforms(stage, options)
    const folders = [...platforms.map(({ name }) => join(stage, name)), ...(await stagePackages(stage, platforms))]
    await mkdir(output, { recursive: true })
    for (const name of await readdir(output)) if (name.endsWith('.tgz')) await rm(join(output, name))
    const packed = await npmPack(folders, output)
    await writeFile(join(output, PACKED_INDEX), JSON.stringify(packed, undefined, 2))
    return packed
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

/** @returns {Promise<import('./platform-packages.mjs').PlatformPackage[]>} those that have a binary */
async function stagePlatforms(stage, { binaries, complete = false }) {
  const staged = []
  const missing = []
  for (const platformPackage of platformPackages()) {
    const { name, file, platform, folder, manifest } = platformPackage
    const places = [...(binaries === undefined ? [] : [join(binaries, file)]), inRoot(folder, 'native', file)]
    const binary = places.find(existsSync)
    if (binary === undefined) {
      missing.push(name)
      continue
    }
    await checkBinary(binary, platform)
    const target = join(stage, name)
    await mkdir(target, { recursive: true })
    await cp(binary, join(target, file))
    const about = `# ${name}\n\n${manifest.description} Installed by itself with the package that needs it, which has the licence.\n`
    await writeFile(join(target, 'README.md'), about)
    await writeManifest(target, manifest)
    staged.push(platformPackage)
  }
  if (complete && missing.length > 0) throw new StepError(`There are no binaries for ${missing.join(', ')}.`)
  return staged
}

/** A binary under another platform's name would be found out by users only. */
async function checkBinary(path, platform) {
  const { readBinaryHeader } = await import('../dist/plugin/binary-header.js')
  const header = readBinaryHeader(path)
  const [system, arch] = platform.split('-')
  if (header?.system !== system || !header.archs.includes(arch) || !header.isWhole)
    throw new StepError(`${path} is no library for ${platform}.`)
}

/** A package asks for the platform packages that are packed with it, so that nothing asks for what does not exist. */
async function stagePackages(stage, platforms) {
  const staged = []
  // Quire itself comes last: when it can be had, so can all that it asks for.
  for (const folder of packageFolders.toSorted((a, b) => Number(a === 'ts') - Number(b === 'ts'))) {
    const source = inRoot(folder)
    const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'))
    if (manifest.private) continue
    const target = join(stage, manifest.name)
    await cp(source, target, { recursive: true, filter: path => isPacked(relative(source, path)) })
    await cp(inRoot('LICENSE'), join(target, 'LICENSE'))
    if (folder === 'ts') await cp(inRoot('README.md'), join(target, 'README.md'))
    const own = platforms.filter(platform => platform.folder === folder)
    const optionalDependencies = Object.fromEntries(own.map(({ name }) => [name, manifest.version]))
    const asking = { ...manifest, ...(own.length > 0 && { optionalDependencies }) }
    if (folder === 'ts') staged.push(...(await stageQuire(stage, target, asking)))
    else {
      await writeManifest(target, asking)
      staged.push(target)
    }
  }
  return staged
}

/** Quire itself is small when it is installed: other packages are inside as far as they are used, what web apps need is beside it. */
async function stageQuire(stage, target, manifest) {
  const { manifest: asking, folder: wasm } = await splitWasm(stage, target, manifest)
  await bundleTypes(target, manifest)
  await writeManifest(target, await bundleDependencies(target, asking))
  if (wasm === undefined) return [target]
  await writeManifest(wasm, wasmManifest(manifest))
  await cp(join(target, LICENCES), join(wasm, LICENCES))
  return [wasm, target]
}

/** Source maps point to sources that are not packed; binaries have packages of their own. */
function isPacked(path) {
  return !NEVER_PACKED.has(path.split(/[\\/]/)[0]) && !/\.(map|node|tsbuildinfo|pyc)$/.test(basename(path))
}

async function writeManifest(folder, manifest) {
  const address = process.env.QUIRE_REPOSITORY
  const repository = address ? { type: 'git', url: `git+${address}.git` } : undefined
  await writeFile(
    join(folder, 'package.json'),
    `${JSON.stringify({ ...manifest, ...(repository && { repository }), publishConfig: { access: 'public' } }, undefined, 2)}\n`,
  )
}

async function npmPack(folders, output) {
  const lines = []
  const code = await execute(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', output, ...folders],
    { onLine: line => lines.push(line) },
  )
  if (code !== 0) throw new StepError(`${lines.join('\n')}\nnpm pack failed.`)
  return JSON.parse(lines.join('\n'))
}

async function main(commandArguments) {
  const { values } = parseArgs({
    args: commandArguments,
    options: {
      profile: { type: 'string', default: 'dist' },
      binaries: { type: 'string' },
      complete: { type: 'boolean', default: false },
    },
  })
  await build(values.profile)
  if (values.complete && !(await isWasmBuilt()))
    throw new StepError('The WebAssembly module is not built: run `npm run build:wasm`.')
  const output = inRoot('dist', 'packages')
  for (const { name, filename, size, unpackedSize } of await packPackages(output, values)) {
    console.log(`${megabytes(size)} packed, ${megabytes(unpackedSize)} unpacked  ${name}  ${join(output, filename)}`)
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1).padStart(5)} MB`
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(main)
