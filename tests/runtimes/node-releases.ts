// Releases of Node.js from the npm registry, one folder each in .cache/runtimes; the one that runs the tests stands for its own
// line. A release that cannot be had is a reason.

import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { acquireLock } from '../../ts/src/hub/file-lock.js'
import { run } from '../apps/run-program.js'
import { npm } from '../apps/runtimes.js'

/** The oldest that Quire supports, those with long-term support, and the newest: as npm's `node` package has them. */
const RELEASES = ['20.20.2', '22.23.3', '24.19.0', '26.10.0']
const ATTEMPTS = 3

const cache = fileURLToPath(new URL('../../.cache/runtimes/', import.meta.url))

export interface NodeRelease {
  readonly version: string
  /** The command line that starts it. */
  readonly start: readonly string[] | { readonly reason: string }
}

/** One after the other: npm itself uses what cores there are. */
export async function nodeReleases(): Promise<NodeRelease[]> {
  const releases: NodeRelease[] = []
  for (const version of RELEASES) releases.push({ version, start: await nodeRelease(version) })
  return releases
}

async function nodeRelease(version: string): Promise<NodeRelease['start']> {
  const major = Number.parseInt(version, 10)
  if (Number.parseInt(process.versions.node, 10) === major) return [process.execPath]
  // The package `node` only installs this one, by a script.
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const folder = join(cache, `node-${version}`)
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const program = join(folder, 'node_modules', name, 'bin', file)
  await mkdir(folder, { recursive: true })
  const lock = await acquireLock(join(folder, 'lock'), { signal: AbortSignal.timeout(300_000) })
  try {
    let said = ''
    for (let attempt = 0; attempt < ATTEMPTS && !existsSync(program); attempt += 1) {
      const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
      const { code, stderr } = await run([npm, 'install', '--prefix', folder, ...flags, `${name}@${version}`], folder)
      if (code === 0) continue
      await rm(join(folder, 'node_modules'), { recursive: true, force: true })
      said = stderr.trim().split('\n').at(-1) ?? ''
    }
    return existsSync(program) ? [program] : { reason: `npm cannot install ${name}@${version} (${said})` }
  } finally {
    await lock.release()
  }
}
