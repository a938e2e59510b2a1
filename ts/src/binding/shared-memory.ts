// Memory that a worker's process maps too: a file in a folder of shared memory.

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SharedMemory } from '../plugin/shared-memory.js'
import type { Native } from './native.js'
import { unwrap } from './outcome.js'

const LINUX_SHARED_MEMORY = '/dev/shm'

/**
 * `byteLength` zero bytes, all of them reserved, in `env.QUIRE_SHARED_MEMORY`, else where the system keeps shared memory.
 * @throws OutOfMemoryError if that folder has no room; NotSupportedError where the runtime forbids such memory.
 */
export function shareMemory(
  native: Native,
  byteLength: number,
  env: Readonly<Record<string, string | undefined>>,
): SharedMemory {
  const path = join(folderOf(env), `quire-${process.pid}-${randomUUID()}`)
  const made = unwrap(native.SharedMemory.create(path, byteLength))
  try {
    return { path, bytes: unwrap(made.bytes()), unlink: () => rm(path, { force: true }) }
  } catch (error) {
    void rm(path, { force: true })
    throw error
  }
}

function folderOf({ QUIRE_SHARED_MEMORY }: Readonly<Record<string, string | undefined>>): string {
  if (QUIRE_SHARED_MEMORY !== undefined && QUIRE_SHARED_MEMORY !== '') return QUIRE_SHARED_MEMORY
  return existsSync(LINUX_SHARED_MEMORY) ? LINUX_SHARED_MEMORY : tmpdir()
}
