// `npm run build:wasm`: the WebAssembly module in its builds, into ts/wasm. Skips, and says what to install, where no
// compiler for the target is here.
import { createReadStream, existsSync } from 'node:fs'
import { readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { constants, createBrotliCompress } from 'node:zlib'
import { mustExecute, outputOf } from './execute.mjs'
import { inRoot, npmProgram, targetDirectory } from './repository.mjs'
import { unlessFresh } from './stamp.mjs'
import { runMain, StepError } from './step-error.mjs'
import { compileEnvironment, findCompiler, TARGET } from './wasm-compiler.mjs'

const BINDGEN = 'wasm-bindgen'

/**
 * The builds, from which a page chooses at run time. An engine refuses a module that has an instruction which it does not
 * know, so relaxed SIMD is a module of its own; and memory is shared in a module or it is not.
 */
const BUILDS = [
  { name: 'simd', features: [], linkFlags: [] },
  { name: 'relaxed', features: ['relaxed-simd'], linkFlags: [] },
  { name: 'threads', features: ['relaxed-simd'], linkFlags: sharedMemory() },
]

/** A stack as deep as grammars and chat templates may be nested. */
const LINK_FLAGS = ['-Clink-arg=-zstack-size=4194304']

/** Memory that JavaScript makes and Workers share, of up to 4 GiB, and what wasm-bindgen starts threads with. */
function sharedMemory() {
  const exported = ['__wasm_init_tls', '__tls_size', '__tls_align', '__tls_base', '__heap_base']
  const flags = ['--shared-memory', '--import-memory', '--max-memory=4294967296']
  return [...flags, ...exported.map(name => `--export=${name}`)].map(flag => `-Clink-arg=${flag}`)
}

const MISSING = `No Rust compiler for ${TARGET} is here. With rustup: \`rustup target add ${TARGET}\`. On Debian: \`ts/build/install-wasm-target.sh\`.`

const NO_THREADS =
  "the build with threads: the sources of Rust's standard library are not here. With rustup: `rustup component add rust-src`."

/** @returns {Promise<boolean>} false: skipped, and said so. @throws {StepError} the first step that failed. */
export async function buildWasm() {
  const compiler = await findCompiler()
  if (compiler === undefined) {
    console.error(`SKIPPED build:wasm: ${MISSING}`)
    return false
  }
  const version = await bindgenVersion()
  const environment = await compileEnvironment(compiler)
  const hasThreads = compiler.sources !== undefined
  if (!hasThreads) console.error(`SKIPPED ${NO_THREADS}`)
  for (const build of BUILDS) {
    const folder = join('ts', 'wasm', build.name)
    if (build.name === 'threads' && !hasThreads) {
      // One of other sources would be worse than none.
      await rm(inRoot(folder), { recursive: true, force: true })
      continue
    }
    await unlessFresh({
      stamp: join(targetDirectory, 'quire-build', `wasm-${build.name}`),
      inputs: [
        'crates',
        'Cargo.toml',
        'Cargo.lock',
        'ts/build/wasm.mjs',
        'ts/build/wasm-compiler.mjs',
        'ts/build/standard-library.mjs',
      ],
      outputs: [join(folder, 'quire.js'), join(folder, 'quire_bg.wasm')],
      facts: [compiler.version, version],
      make: () => makeBuild(build, folder, { ...compiler, environment }, version),
    })
  }
  return true
}

async function makeBuild({ name, features, linkFlags }, folder, { cargo, environment }, version) {
  const cargoArguments = ['rustc', '--locked', '--profile', 'wasm', '--target', TARGET, '-p', 'quire-wasm']
  if (features.length > 0) cargoArguments.push('--features', features.join(','))
  cargoArguments.push('--', ...LINK_FLAGS, ...linkFlags)
  const [bindgen] = await Promise.all([
    installBindgen(version),
    mustExecute(`Compiling the ${name} build`, cargo, cargoArguments, { environment, output: 'stderr' }),
  ])
  const module = join(targetDirectory, TARGET, 'wasm', 'quire_wasm.wasm')
  const bindgenArguments = [
    '--target',
    'web',
    '--no-typescript',
    '--out-name',
    'quire',
    '--out-dir',
    inRoot(folder),
    module,
  ]
  await mustExecute('Making the JavaScript around the module', bindgen, bindgenArguments)
  await optimize(inRoot(folder, 'quire_bg.wasm'))
}

/** wasm-opt of npm's binaryen, where somebody has installed it: a smaller file on disk, not a smaller download. */
async function optimize(module) {
  if (!existsSync(npmProgram('wasm-opt'))) return
  const flags = [
    '-O3',
    '--enable-simd',
    '--enable-relaxed-simd',
    '--enable-bulk-memory',
    '--enable-threads',
    '--enable-nontrapping-float-to-int',
  ]
  await mustExecute('Optimizing the module', npmProgram('wasm-opt'), [...flags, module, '-o', `${module}.opt`])
  await rename(`${module}.opt`, module)
}

/** The command must be of the version of the crate. */
async function bindgenVersion() {
  const lock = await readFile(inRoot('Cargo.lock'), 'utf8')
  const version = /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(lock)?.[1]
  if (version === undefined) throw new StepError('Cargo.lock names no wasm-bindgen.')
  return version
}

/** From PATH if its version fits, else compiled once into .cache. */
async function installBindgen(version) {
  const folder = inRoot('.cache', `${BINDGEN}-${version}`)
  for (const program of [BINDGEN, join(folder, 'bin', BINDGEN)]) {
    if ((await outputOf(program, ['--version'])) === `${BINDGEN} ${version}`) return program
  }
  // The features are of its other programs. It runs for seconds, so that optimizing it costs more than it gives.
  const installArguments = ['install', `${BINDGEN}-cli`, '--version', version, '--no-default-features']
  installArguments.push('--root', folder, '--bin', BINDGEN)
  const environment = { CARGO_PROFILE_RELEASE_OPT_LEVEL: '1' }
  await mustExecute(`Compiling ${BINDGEN} ${version} (once)`, 'cargo', installArguments, {
    environment,
    output: 'stderr',
  })
  return join(folder, 'bin', BINDGEN)
}

/** What a page downloads. It takes brotli half a minute. */
async function report(folder) {
  const module = inRoot(folder, 'quire_bg.wasm')
  let brotliBytes = 0
  const compress = createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
  await pipeline(createReadStream(module), compress, async chunks => {
    for await (const chunk of chunks) brotliBytes += chunk.length
  })
  const megabytes = bytes => `${(bytes / 1e6).toFixed(2)} MB`
  const { size } = await stat(module)
  console.error(`${folder}: ${megabytes(size)}, ${megabytes(brotliBytes)} by brotli`)
}

async function main(commandArguments) {
  parseArgs({ args: commandArguments, options: {} })
  if (!(await buildWasm())) return
  for (const { name } of BUILDS) {
    const folder = join('ts', 'wasm', name)
    if (existsSync(inRoot(folder))) await report(folder)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(main)
