// Builds the two native addons with cargo and the napi CLI. The one place that names them.
import { join } from 'node:path'
import { crossCompiler } from './cross-compiler.mjs'
import { execute, mustExecute, outputOf } from './execute.mjs'
import { npmProgram, targetDirectory } from './repository.mjs'
import { targetFlags } from './rust-target.mjs'
import { unlessFresh } from './stamp.mjs'
import { StepError } from './step-error.mjs'

/**
 * Crate, its Cargo name, the npm package that it ships in. `companions` are compiled in the same cargo call, because they
 * switch on features of shared dependencies: so both addons, and `cargo test`, use one build of each dependency. An addon
 * cannot be the other's companion: napi would write the types of both into one file.
 * @type {readonly { crate: string, package: string, folder: string, companions: readonly string[] }[]}
 */
export const ADDONS = [
  { crate: 'crates/node', package: 'quire-node', folder: 'ts', companions: ['quire-runner'] },
  { crate: 'crates/candle-node', package: 'quire-candle-node', folder: 'plugins/candle-cpu', companions: [] },
]

/** As of RHEL 7, and older than what any supported Node.js asks for. */
const OLDEST_GLIBC = '2.17'

const packageFlags = packages => packages.flatMap(name => ['-p', name])

const profileFlags = profile => (profile === 'release' ? ['--release'] : ['--profile', profile])

/**
 * Compiles the crates without needing any npm package, so that it can run while npm installs.
 * @param {string} profile 'release' (builds fast) or 'dist' (for publishing)
 */
export function compileCrates(profile) {
  return freshly('compiled', profile, [], async () => {
    const flags = [
      ...profileFlags(profile),
      ...(await targetFlags()),
      ...packageFlags(ADDONS.map(addon => addon.package)),
    ]
    await mustExecute('Compiling the Rust crates', 'cargo', ['build', '--locked', ...flags], { output: 'stderr' })
  })
}

/** Puts each addon and its types (generated from the Rust sources) into its npm package. */
export function packAddons(profile) {
  const outputs = ADDONS.map(addon => join(addon.folder, 'native', 'native.d.ts'))
  return freshly('packed', profile, outputs, async () => {
    const target = await targetFlags()
    for (const addon of ADDONS) await napiBuild(addon, profile, join(addon.folder, 'native'), target)
  })
}

/**
 * Builds the addons of a platform, this one or another, into a folder, for publishing. For Linux napi calls cargo-zigbuild, whose zig has the
 * C libraries: the result runs on releases as old as glibc 2.17, and on musl. For other systems the machine must be able to build by itself.
 * @param {string} triple as rustc calls the platform
 * @param {string} output relative to the repository
 * @throws {StepError} there is no compiler for it, or it failed.
 */
export async function buildAddonsFor(triple, output) {
  const isForLinux = process.platform === 'linux' && triple.includes('-linux-')
  const target = isForLinux && triple.endsWith('-gnu') ? `${triple}.${OLDEST_GLIBC}` : triple
  const { cargo, environment } = await crossCompiler(triple)
  for (const addon of ADDONS)
    await napiBuild(addon, 'dist', output, ['--target', target, ...(isForLinux ? ['-x'] : [])], {
      CARGO: cargo,
      ...environment,
    })
}

async function napiBuild(addon, profile, output, target, environment = {}) {
  const napiArguments = [
    'build',
    '--platform',
    '--no-js',
    ...['-c', join(addon.folder, 'napi.json')],
    ...['--manifest-path', join(addon.crate, 'Cargo.toml')],
    ...['--target-dir', targetDirectory],
    ...target,
    ...['-p', addon.package],
    ...['-o', output],
    ...['--dts', 'native.d.ts'],
    ...profileFlags(profile),
    ...['--', '--locked', ...packageFlags(addon.companions)],
  ]
  const lines = []
  const code = await execute(npmProgram('napi'), napiArguments, { environment, onLine: line => lines.push(line) })
  if (code !== 0)
    throw new StepError(`${lines.join('\n')}\nBuilding ${addon.package} failed (napi exited with code ${code}).`)
}

async function freshly(what, profile, outputs, make) {
  return unlessFresh({
    stamp: join(targetDirectory, 'quire-build', `native-${what}`),
    inputs: ['crates', 'Cargo.toml', 'Cargo.lock', ...ADDONS.map(addon => join(addon.folder, 'napi.json'))],
    outputs,
    facts: [profile, process.platform, process.arch, (await outputOf('rustc', ['--version'])) ?? ''],
    make,
  })
}
