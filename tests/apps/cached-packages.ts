// Programs of the npm registry that only tests use, in exact versions, kept in .cache.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { acquireLock } from '../../ts/src/hub/file-lock.js'
import { run } from './run-program.js'
import { npm } from './runtimes.js'

const ATTEMPTS = 3

export interface Wanted {
  readonly dependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
}

/** The folder whose node_modules has them; a reason where they cannot be had. No script of theirs is run. */
export async function cachedPackages(name: string, wanted: Wanted): Promise<string | { readonly reason: string }> {
  const folder = fileURLToPath(new URL(`../../.cache/${name}/`, import.meta.url))
  await mkdir(folder, { recursive: true })
  const lock = await acquireLock(join(folder, 'lock'), { signal: AbortSignal.timeout(300_000) })
  try {
    const reason = await install(folder, JSON.stringify({ private: true, ...wanted }))
    return reason === undefined ? folder : { reason }
  } finally {
    lock.release()
  }
}

async function install(folder: string, manifest: string): Promise<string | undefined> {
  const marker = join(folder, 'installed')
  if ((await readFile(marker, 'utf8').catch(() => '')) === manifest) return undefined
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--prefer-offline']
  let said = ''
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await rm(join(folder, 'node_modules'), { recursive: true, force: true })
    await writeFile(join(folder, 'package.json'), manifest)
    const { code, stderr } = await run([npm, 'install', ...flags], folder)
    if (code === 0) {
      await writeFile(marker, manifest)
      return undefined
    }
    said = stderr.trim().split('\n').at(-1) ?? ''
  }
  return `npm cannot install ${Object.keys((JSON.parse(manifest) as Wanted).dependencies).join(', ')} (${said})`
}
