// The compiler for WebAssembly, and a standard library of its own for modules with threads: Rust's own is built for one thread.
import { existsSync, readdirSync } from 'node:fs'
import { outputOf } from './execute.mjs'
import { targetDirectory } from './repository.mjs'
import { compileStandardLibrary, encodedFlags, hasStandardLibrary, librarySources } from './standard-library.mjs'

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

/** Rust's own is built for one thread. */
const THREADS_LIBRARY = {
  name: 'wasm-std',
  target: TARGET,
  crates: ['std', 'panic_abort'],
  panic: 'abort',
  flags: THREADS_FLAGS,
}

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
  return {
    ...compiler,
    version,
    sources: librarySources(sysroot),
    hasLibrary: hasStandardLibrary(sysroot, TARGET),
  }
}

/**
 * The environment in which cargo compiles for the target, with the standard library for threads where it can be made.
 * @param {Compiler} compiler
 */
export async function compileEnvironment(compiler) {
  const shared = { ...compiler.environment, CARGO_TARGET_DIR: targetDirectory }
  if (compiler.sources === undefined) return { ...shared, ...encodedFlags(PLAIN_FLAGS) }
  const sysroot = await compileStandardLibrary(compiler, THREADS_LIBRARY)
  return { ...shared, ...encodedFlags([`--sysroot=${sysroot}`, ...THREADS_FLAGS]), RUSTC_BOOTSTRAP: UNSTABLE_CRATES }
}
