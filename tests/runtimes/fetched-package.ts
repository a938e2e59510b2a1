// A package of the npm registry in a folder of its own in .cache, fetched the first time. No script of it is run.

import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { acquireLock } from '../../ts/src/hub/file-lock.js'
import { run } from '../apps/run-program.js'
import { npm } from '../apps/runtimes.js'

const ATTEMPTS = 3

export interface FetchedPackage {
  readonly name: string
  readonly version: string
  /** A folder in .cache. */
  readonly folder: string
  /** The path of a file in the package: if it is there, so is all. */
  readonly file: string
}

/** The path of the file; a reason where the package cannot be had. */
export async function fetchPackage({
  name,
  version,
  folder,
  file,
}: FetchedPackage): Promise<string | { readonly reason: string }> {
  const place = fileURLToPath(new URL(`../../.cache/${folder}/`, import.meta.url))
  const path = join(place, 'node_modules', name, file)
  await mkdir(place, { recursive: true })
  const lock = await acquireLock(join(place, 'lock'), { signal: AbortSignal.timeout(300_000) })
  try {
    let said = ''
    for (let attempt = 0; attempt < ATTEMPTS && !existsSync(path); attempt += 1) {
      const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
      const { code, stderr } = await run([npm, 'install', '--prefix', place, ...flags, `${name}@${version}`], place)
      if (code === 0) continue
      await rm(join(place, 'node_modules'), { recursive: true, force: true })
      said = stderr.trim().split('\n').at(-1) ?? ''
    }
    return existsSync(path) ? path : { reason: `npm cannot install ${name}@${version} (${said})` }
  } finally {
    await lock.release()
  }
}
