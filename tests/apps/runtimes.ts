// The other runtimes and package managers that apps use, from the npm registry, kept in .cache/runtimes.

import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { acquireLock } from '../../ts/src/hub/file-lock.js'
import { run } from './run-program.js'

/** What is wanted: names and releases in the npm registry. */
const PACKAGES = ['bun@1.4.5', 'deno@2.9.6', 'pnpm@10.34.9']
const ATTEMPTS = 3

const cache = fileURLToPath(new URL('../../.cache/runtimes/', import.meta.url))

/** Where pnpm keeps what it has fetched: not in a test's own folder, which would be fetched anew each time. */
export const pnpmStore = join(cache, 'pnpm-store')

export const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/** Command lines that start a program; a reason where it cannot be had. */
export interface Runtimes {
  readonly node: readonly string[]
  readonly bun: readonly string[] | { readonly reason: string }
  readonly deno: readonly string[] | { readonly reason: string }
  readonly pnpm: readonly string[] | { readonly reason: string }
}

export async function findRuntimes(): Promise<Runtimes> {
  const lock = await acquireLock(join(cache, 'lock'), { signal: AbortSignal.timeout(300_000) })
  const reason = await install(cache).finally(() => lock.release())
  const modules = join(cache, 'node_modules')
  const pnpm = join(modules, 'pnpm', 'bin', 'pnpm.cjs')
  const orReason = (command: readonly string[] | undefined, name: string) =>
    command ?? { reason: reason ?? `the npm package ${name} has no program for this platform` }
  return {
    node: [process.execPath],
    bun: orReason(await program(join(modules, '@oven'), ['bin/bun', 'bin/bun.exe']), 'bun'),
    deno: orReason(await program(join(modules, '@deno'), ['deno', 'deno.exe']), 'deno'),
    pnpm: orReason(existsSync(pnpm) ? [process.execPath, pnpm] : undefined, 'pnpm'),
  }
}

/** Why the packages are not there; undefined if they are. */
async function install(folder: string): Promise<string | undefined> {
  const marker = join(folder, 'installed')
  if ((await readFile(marker, 'utf8').catch(() => '')) === PACKAGES.join(' ')) return undefined
  await mkdir(folder, { recursive: true })
  const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  let said = ''
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await rm(join(folder, 'node_modules'), { recursive: true, force: true })
    const { code, stderr } = await run([npm, 'install', '--prefix', folder, ...flags, ...PACKAGES], folder)
    if (code === 0) {
      await writeFile(marker, PACKAGES.join(' '))
      return undefined
    }
    said = stderr.trim().split('\n').at(-1) ?? ''
  }
  return `npm cannot install ${PACKAGES.join(' ')} (${said})`
}

/** The program in one of the platform packages of a scope: only those for this platform get installed. */
async function program(scope: string, names: readonly string[]): Promise<readonly string[] | undefined> {
  for (const platform of await readdir(scope).catch(() => [])) {
    for (const name of names) {
      const path = join(scope, platform, name)
      if (existsSync(path)) return [path]
    }
  }
  return undefined
}
