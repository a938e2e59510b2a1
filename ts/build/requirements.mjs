// Checks that Node.js and Rust are here and new enough, and says in one sentence what to install where they are not.
import { readFile } from 'node:fs/promises'
import { outputOf } from './execute.mjs'
import { inRoot } from './repository.mjs'
import { StepError } from './step-error.mjs'

/** The oldest Node.js that the tools and the package run on. */
const NODE_VERSION = '20.19.0'

/** @throws {StepError} one sentence that says what to install. */
export async function checkRequirements() {
  checkNode(process.versions.node)
  const manifest = await readFile(inRoot('Cargo.toml'), 'utf8')
  const needed = /^rust-version = "([\d.]+)"/m.exec(manifest)?.[1] ?? '0'
  checkRust(await outputOf('cargo', ['--version']), needed)
}

/** @param {string} version as in process.versions.node */
export function checkNode(version) {
  if (!isAtLeast(version, NODE_VERSION))
    throw new StepError(
      `Node.js ${NODE_VERSION} or newer is needed and this is ${version}: install it from https://nodejs.org and run the command again.`,
    )
}

/** @param {string | undefined} output what `cargo --version` printed; undefined: cargo is missing */
export function checkRust(output, needed) {
  const install = 'install it from https://rustup.rs and run the command again.'
  if (output === undefined) throw new StepError(`Rust ${needed} or newer is needed and cargo was not found: ${install}`)
  const version = /(\d+(?:\.\d+)*)/.exec(output)?.[1] ?? '0'
  if (!isAtLeast(version, needed))
    throw new StepError(`Rust ${needed} or newer is needed and this is ${version}: ${install}`)
}

/** Compares dotted versions by number: 1.100 is newer than 1.90. */
export function isAtLeast(version, needed) {
  const [have, want] = [version, needed].map(text => text.split('.').map(Number))
  for (const [index, number] of want.entries()) {
    if ((have[index] ?? 0) !== number) return (have[index] ?? 0) > number
  }
  return true
}
