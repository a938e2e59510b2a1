// The compiler for another platform: this machine's if it has the platform's standard library, else one that has the sources from
// which it can be made. Linkers and C libraries come from zig (native.mjs), or from the caller.
import { outputOf } from './execute.mjs'
import { compileStandardLibrary, encodedFlags, hasStandardLibrary, librarySources } from './standard-library.mjs'
import { StepError } from './step-error.mjs'

/** The compiler of the machine, and Debian's, whose sources are a package. */
const COMPILERS = [
  { rustc: 'rustc', cargo: 'cargo', environment: {} },
  { rustc: '/usr/bin/rustc', cargo: '/usr/bin/cargo', environment: { RUSTC: '/usr/bin/rustc' } },
]

/**
 * @param {string} triple as rustc calls the platform
 * @returns {Promise<{ cargo: string, environment: Record<string, string> }>} which cargo to call, and with what environment
 * @throws {StepError} there is neither a standard library for it nor the sources of one.
 */
export async function crossCompiler(triple) {
  for (const { rustc, cargo, environment } of COMPILERS) {
    const sysroot = await outputOf(rustc, ['--print', 'sysroot'])
    if (sysroot === undefined) continue
    if (hasStandardLibrary(sysroot, triple)) return { cargo, environment }
    const sources = librarySources(sysroot)
    if (sources === undefined) continue
    const compiler = { cargo, environment, sources, version: (await outputOf(rustc, ['--version'])) ?? '' }
    const library = await compileStandardLibrary(compiler, {
      name: `std-lto-${triple}`,
      target: triple,
      crates: ['std', 'panic_unwind', 'test'],
      panic: 'unwind',
      // Cargo leaves the bitcode out, without which what is published cannot be optimized as a whole.
      flags: ['-Cembed-bitcode=yes'],
    })
    // napi says the same in RUSTFLAGS, which cargo does not read beside these: on musl, Rust makes no libraries by default.
    const shared = triple.endsWith('-musl') ? ['-Ctarget-feature=-crt-static'] : []
    return { cargo, environment: { ...environment, ...encodedFlags([`--sysroot=${library}`, ...shared]) } }
  }
  throw new StepError(`No Rust compiler for ${triple} is here. With rustup: \`rustup target add ${triple}\`.`)
}
