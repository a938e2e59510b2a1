// A Python for the worker's process: with NumPy and msgpack, of one of the environments of the frameworks, or `python3`.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const environments = fileURLToPath(new URL('../../.cache/python/', import.meta.url))

/** Why there is none. */
export const withoutPython = 'no Python with numpy and msgpack is here: `npm run test:frameworks` makes one'

/** Its path. */
export const python: string | undefined = [...madeHere(), 'python3'].find(hasModules)

function madeHere(): string[] {
  const names = existsSync(environments) ? readdirSync(environments).sort() : []
  return names.map(name => `${environments}${name}/bin/python`).filter(path => existsSync(path))
}

function hasModules(path: string): boolean {
  try {
    execFileSync(path, ['-c', 'import msgpack, numpy'], { stdio: 'ignore', timeout: 60_000 })
    return true
  } catch {
    return false
  }
}
