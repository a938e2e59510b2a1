// A standard library of Rust for a target that the compiler came without, or with other flags than the compiler's own: compiled
// from the compiler's sources once, and kept.
import { existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { mustExecute } from './execute.mjs'
import { inRoot, root, targetDirectory } from './repository.mjs'

/**
 * @typedef {object} Library
 * @property {string} name of it, in messages and as its folder
 * @property {string} target as rustc calls it
 * @property {string[]} crates of Rust's that are asked for
 * @property {'abort' | 'unwind'} panic
 * @property {string[]} flags of rustc
 */

/** Flags may have spaces: the folder of the repository may. */
export function encodedFlags(values) {
  return { CARGO_ENCODED_RUSTFLAGS: values.join('\x1f') }
}

/** @param {string} sysroot @returns {boolean} whether there is a standard library for the target. */
export function hasStandardLibrary(sysroot, target) {
  const folder = libraryFolder(sysroot, target)
  return existsSync(folder) && readdirSync(folder).some(name => /^libstd-.*\.rlib$/.test(name))
}

/** Where a compiler of this sysroot has the sources. @returns {string | undefined} the folder, if they are there. */
export function librarySources(sysroot) {
  const sources = join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library')
  return existsSync(join(sources, 'std', 'Cargo.toml')) ? sources : undefined
}

/**
 * Makes it once for each compiler: two minutes of one core.
 * @param {{ cargo: string, version: string, environment: Record<string, string>, sources: string }} compiler
 * @param {Library} library
 * @returns {Promise<string>} the sysroot to give rustc, which has this target alone
 * @throws {StepError} it cannot be compiled.
 */
export async function compileStandardLibrary(compiler, { name, target, crates, panic, flags }) {
  const sysroot = inRoot('.cache', `${name}-${compiler.version.replace(/[^\w.]+/g, '-')}`)
  if (hasStandardLibrary(sysroot, target)) return sysroot
  const work = join(targetDirectory, 'quire-build', name)
  await rm(work, { recursive: true, force: true })
  await mkdir(join(work, 'src'), { recursive: true })
  await mkdir(join(work, '.cargo'))
  // A workspace of its own: it may lie in this one's folder.
  const manifest = `[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[profile.release]\npanic = "${panic}"\n[workspace]\n`
  await writeFile(join(work, 'Cargo.toml'), manifest)
  await writeFile(join(work, 'src', 'lib.rs'), 'pub fn probe() {}\n')
  const vendored = join(compiler.sources, 'vendor')
  const isVendored = existsSync(vendored)
  if (isVendored) {
    const sources = `[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = ${JSON.stringify(vendored)}\n`
    await writeFile(join(work, '.cargo', 'config.toml'), sources)
  }
  const cargoArguments = ['build', '--quiet', '--release', '--target', target, `-Zbuild-std=${crates.join(',')}`]
  await mustExecute(`Compiling the standard library for ${target} (once)`, compiler.cargo, cargoArguments, {
    directory: relative(root, work),
    output: 'stderr',
    environment: {
      ...compiler.environment,
      ...encodedFlags(flags),
      CARGO_TARGET_DIR: join(work, 'target'),
      CARGO_NET_OFFLINE: String(isVendored),
      RUSTC_BOOTSTRAP: '1',
    },
  })
  await adopt(join(work, 'target', target, 'release', 'deps'), libraryFolder(sysroot, target))
  await rm(work, { recursive: true, force: true })
  return sysroot
}

function libraryFolder(sysroot, target) {
  return join(sysroot, 'lib', 'rustlib', target, 'lib')
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
