// Room on the disk: asked for before a download begins, and what it means when a write finds none.

import { statfs } from 'node:fs/promises'
import { EngineError, HubError } from '../errors.js'

/** Bytes that this user may still write where `path` is; undefined where the system does not tell. */
export async function freeBytes(path: string): Promise<number | undefined> {
  const { bavail, bsize } = await statfs(path).catch(() => ({ bavail: -1, bsize: 1 }))
  return bavail < 0 ? undefined : bavail * bsize
}

/** @throws HubError with the code `ERR_DISK_FULL`. */
export function checkRoom(needed: number, free: number | undefined, cacheDir: string): void {
  if (free === undefined || needed <= free) return
  throw diskFull(`The download needs ${gib(needed)} GiB, and ${gib(free)} GiB are free at '${cacheDir}'`, {
    needed,
    free,
    cacheDir,
  })
}

/** The file system's error as ours. */
export function cacheError(error: unknown, cacheDir: string): unknown {
  if (error instanceof EngineError || !(error instanceof Error)) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return diskFull(`The disk of '${cacheDir}' is full`, { cacheDir }, error)
  }
  if (
    [
      'EACCES',
      'EPERM',
      'EROFS',
      'ENOTDIR',
      'EISDIR',
      'ELOOP',
      'EIO',
      'EMFILE',
      'ENAMETOOLONG',
      'EEXIST',
      'EFBIG',
    ].includes(code ?? '')
  ) {
    const ways = 'Make it writable, or name another folder by HF_HUB_CACHE.'
    return new HubError('ERR_HUB_CACHE', `The cache '${cacheDir}' cannot be written (${error.message}). ${ways}`, {
      cause: error,
      details: { cacheDir, reason: code },
    })
  }
  return error
}

function diskFull(start: string, details: Readonly<Record<string, unknown>>, cause?: unknown): HubError {
  const ways =
    'Free some by `quire rm <model>`, or name a folder on another disk by HF_HUB_CACHE. What has come is kept.'
  return new HubError('ERR_DISK_FULL', `${start}. ${ways}`, { details, cause })
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(bytes < 2 ** 30 ? 3 : 1)
}
