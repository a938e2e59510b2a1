// Whether the cache can be written and how much room there is: for `quire doctor`. It makes no folder.

import { access, constants, open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { removeFile } from './cache-layout.js'
import { freeBytes } from './disk-space.js'

export interface CacheState {
  readonly directory: string
  readonly exists: boolean
  /** Why nothing can be written; absent: it can. */
  readonly unwritable?: string
  /** Absent where the system does not tell. */
  readonly freeBytes?: number
}

/** Never throws. */
export async function probeCache(directory: string): Promise<CacheState> {
  const there = await nearestFolder(directory)
  const exists = there === directory
  const [unwritable, free] = await Promise.all([exists ? tryToWrite(directory) : whyNoFolder(there), freeBytes(there)])
  return {
    directory,
    exists,
    ...(unwritable !== undefined && { unwritable }),
    ...(free !== undefined && { freeBytes: free }),
  }
}

/** The folder itself, or that of those above it which is there: the next one would be made in it. */
async function nearestFolder(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  )
  return isThere || dirname(path) === path ? path : nearestFolder(dirname(path))
}

async function tryToWrite(directory: string): Promise<string | undefined> {
  const path = join(directory, `.quire-${process.pid}-${Date.now()}.tmp`)
  try {
    await (await open(path, 'wx')).close()
    await removeFile(path)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

async function whyNoFolder(parent: string): Promise<string | undefined> {
  try {
    if (!(await stat(parent)).isDirectory()) return `'${parent}' is no folder`
    await access(parent, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
