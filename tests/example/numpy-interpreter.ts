// A Python with NumPy and msgpack: one that QUIRE_TEST_PYTHON names, one of the frameworks' environments, or `python3`.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const environments = fileURLToPath(new URL('../../.cache/python/', import.meta.url))

/** Its path, or undefined. */
export const numpyInterpreter: string | undefined = [
  process.env.QUIRE_TEST_PYTHON,
  ...['numpy', 'jax', 'torch', 'mindspore'].map(name => join(environments, name, 'bin', 'python')),
  'python3',
].find(path => path !== undefined && (path === 'python3' || existsSync(path)) && hasNumpy(path))

export const withoutNumpy = 'there is no Python with numpy and msgpack (QUIRE_TEST_PYTHON names one)'

function hasNumpy(path: string): boolean {
  try {
    execFileSync(path, ['-c', 'import msgpack, numpy'], { stdio: 'ignore', timeout: 60_000 })
    return true
  } catch {
    return false
  }
}
