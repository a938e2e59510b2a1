// The compiler for WebAssembly, and a standard library of its own for modules with threads: Rust's own is built for one thread.
import { existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { mustExecute, outputOf } from './execute.mjs'
import { inRoot, root, targetDirectory } from './repository.mjs'

export const TARGET = 'wasm32-unknown-unknown'

/** SIMD everywhere, not only in the kernels. */
const PLAIN_FLAGS = ['-Ctarget-feature=+simd128']

/**
 * What makes code that may run in several threads; over memory that is not shared it runs as well, so that all builds share
 * what is compiled. Libraries ask for the feature by its name, which rustc does not set for what is not stable: getrandom,
 * js-sys and wasm-bindgen have to know that browsers refuse views of shared memory.
 */
const THREADS_FLAGS = [
  '-Ctarget-feature=+simd128,+atomics,+bulk-memory,+mutable-globals',
  '--cfg=target_feature="atomics"',
  '-Aexplicit_builtin_cfgs_in_flags',
]

/** They keep what belongs to one thread with an attribute that is not stable. Named, so that nothing else sees a nightly. */
const UNSTABLE_CRATES = 'wasm_bindgen,js_sys'

/**
 * @typedef {object} Compiler
 * @property {string} cargo
 * @property {string} version
 * @property {Record<string, string>} environment
 * @property {string | undefined} sources folder of the standard library's sources: modules with threads can be made
 * @property {boolean} hasLibrary whether there is a standard library for one thread
 */

/**
 * rustup's compiler or Debian's: the first that can make threads, else the first that can make anything.
 * @returns {Promise<Compiler | undefined>}
 */
export async function findCompiler() {
  const found = (await Promise.all([rustupCompiler(), debianCompiler()])).filter(compiler => compiler !== undefined)
  return found.find(({ sources }) => sources !== undefined) ?? found.find(({ hasLibrary }) => hasLibrary)
}

async function rustupCompiler() {
  const compiler = await describe('rustc', { cargo: 'cargo', environment: {} })
  // A linker comes with the target.
  return compiler?.hasLibrary ? compiler : undefined
}

async function debianCompiler() {
  const rustc = '/usr/bin/rustc'
  if (!existsSync(rustc)) return undefined
  const linker = readdirSync('/usr/bin').findLast(name => /^wasm-ld(-\d+)?$/.test(name))
  if (linker === undefined) return undefined
  return describe(rustc, {
    cargo: '/usr/bin/cargo',
    environment: {
      RUSTC: rustc,
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: linker,
      PATH: `/usr/bin:${process.env.PATH}`,
    },
  })
}

async function describe(rustc, compiler) {
  const [version, sysroot] = await Promise.all([
    outputOf(rustc, ['--version']),
    outputOf(rustc, ['--print', 'sysroot']),
  ])
  if (version === undefined || sysroot === undefined) return undefined
  const library = join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library')
  return {
    ...compiler,
    version,
    sources: existsSync(join(library, 'std', 'Cargo.toml')) ? library : undefined,
    hasLibrary: hasStandardLibrary(join(sysroot, 'lib', 'rustlib', TARGET, 'lib')),
  }
}

function hasStandardLibrary(folder) {
  return existsSync(folder) && readdirSync(folder).some(name => /^libstd-.*\.rlib$/.test(name))
}

/**
 * The environment in which cargo compiles for the target, with the standard library for threads where it can be made.
 * @param {Compiler} compiler
 */
export async function compileEnvironment(compiler) {
  const shared = { ...compiler.environment, CARGO_TARGET_DIR: targetDirectory }
  if (compiler.sources === undefined) return { ...shared, ...flags(PLAIN_FLAGS) }
  const sysroot = await threadsLibrary(compiler)
  return { ...shared, ...flags([`--sysroot=${sysroot}`, ...THREADS_FLAGS]), RUSTC_BOOTSTRAP: UNSTABLE_CRATES }
}

/** Flags may have spaces: the folder of the repository may. */
function flags(values) {
  return { CARGO_ENCODED_RUSTFLAGS: values.join('\x1f') }
}

/** The standard library for threads, made once for each compiler: two minutes of one core. */
async function threadsLibrary(compiler) {
  const sysroot = inRoot('.cache', `wasm-std-${compiler.version.replace(/[^\w.]+/g, '-')}`)
  const library = join(sysroot, 'lib', 'rustlib', TARGET, 'lib')
  if (hasStandardLibrary(library)) return sysroot
  const work = join(targetDirectory, 'quire-build', 'wasm-std')
  await rm(work, { recursive: true, force: true })
  await mkdir(join(work, 'src'), { recursive: true })
  await mkdir(join(work, '.cargo'))
  // A workspace of its own: it may lie in this one's folder.
  const manifest =
    '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[profile.release]\npanic = "abort"\n[workspace]\n'
  await writeFile(join(work, 'Cargo.toml'), manifest)
  await writeFile(join(work, 'src', 'lib.rs'), 'pub fn probe() {}\n')
  const vendored = join(compiler.sources, 'vendor')
  const isVendored = existsSync(vendored)
  if (isVendored) {
    const sources = `[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = ${JSON.stringify(vendored)}\n`
    await writeFile(join(work, '.cargo', 'config.toml'), sources)
  }
  const cargoArguments = ['build', '--quiet', '--release', '--target', TARGET, '-Zbuild-std=std,panic_abort']
  await mustExecute('Compiling the standard library for threads (once)', compiler.cargo, cargoArguments, {
    directory: relative(root, work),
    output: 'stderr',
    environment: {
      ...compiler.environment,
      ...flags(THREADS_FLAGS),
      CARGO_TARGET_DIR: join(work, 'target'),
      CARGO_NET_OFFLINE: String(isVendored),
      RUSTC_BOOTSTRAP: '1',
    },
  })
  await adopt(join(work, 'target', TARGET, 'release', 'deps'), library)
  await rm(work, { recursive: true, force: true })
  return sysroot
}

/** All or nothing is there. */
async function adopt(from, library) {
  const partial = `${library}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true })
  const names = (await readdir(from)).filter(name => name.endsWith('.rlib') && !name.startsWith('libprobe-'))
  for (const name of names) await copyFile(join(from, name), join(partial, name))
  await rm(library, { recursive: true, force: true })
  await rename(partial, library)
}
