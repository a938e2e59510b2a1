// One process at a time works on a thing; the others wait. A lock whose owner is gone is taken over.

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { removeFile } from './cache-layout.js'
import { sleep } from './retry.js'

export interface LockOwner {
  readonly host: string
  readonly pid: number
  readonly id: string
}

export interface FileLock {
  release(): Promise<void>
}

export interface LockOptions {
  readonly signal: AbortSignal
  /** Told once if somebody else has it. */
  readonly onWait?: (owner: LockOwner | undefined) => void
  /** A lock that nobody touched for so long is nobody's. The owner touches it four times as often. */
  readonly staleAfterMs?: number
}

const STALE_AFTER_MS = 60_000
const POLL_MS = 150

/** Longer than a takeover lasts; a claim that is older is of a process that ended in one. */
const CLAIM_MS = 10_000

/** Waits until the lock is ours. @throws RequestAbortedError, or the file system's error. */
export async function acquireLock(path: string, options: LockOptions): Promise<FileLock> {
  const { signal, onWait, staleAfterMs = STALE_AFTER_MS } = options
  const own: LockOwner = { host: hostname(), pid: process.pid, id: randomUUID() }
  await mkdir(dirname(path), { recursive: true })
  let hasWaited = false
  while (!(await created(path, own))) {
    const owner = await readOwner(path)
    if (await isAbandoned(path, owner, staleAfterMs)) {
      await takeAway(path, own, options)
      continue
    }
    if (!hasWaited) onWait?.(owner)
    hasWaited = true
    await sleep(POLL_MS, signal)
  }
  const touch = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), staleAfterMs / 4)
  touch.unref()
  return {
    release: async () => {
      clearInterval(touch)
      if ((await readOwner(path))?.id === own.id) await removeFile(path)
    },
  }
}

/** Who has the lock; undefined if nobody has, or its owner is gone. */
export async function lockOwner(path: string, staleAfterMs = STALE_AFTER_MS): Promise<LockOwner | undefined> {
  const owner = await readOwner(path)
  return owner === undefined || (await isAbandoned(path, owner, staleAfterMs)) ? undefined : owner
}

async function created(path: string, own: LockOwner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(own), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function readOwner(path: string): Promise<LockOwner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as LockOwner
    return typeof owner.pid === 'number' && typeof owner.id === 'string' ? owner : undefined
  } catch {
    return undefined
  }
}

/** A file without an owner is being written, or is the rest of a crash: its age tells. */
async function isAbandoned(path: string, owner: LockOwner | undefined, staleAfterMs: number): Promise<boolean> {
  if (owner?.host === hostname() && !isAlive(owner.pid)) return true
  const age = await ageOf(path)
  return age !== undefined && age > staleAfterMs
}

/** Milliseconds since a file was touched; undefined if there is none. */
function ageOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => undefined,
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Of several who find a lock abandoned one at a time looks again, and only that one may take it away. */
async function takeAway(
  path: string,
  own: LockOwner,
  { signal, staleAfterMs = STALE_AFTER_MS }: LockOptions,
): Promise<void> {
  const claim = `${path}-takeover`
  if (!(await created(claim, own))) {
    const age = await ageOf(claim)
    if (age !== undefined && age > CLAIM_MS) await removeFile(claim)
    return sleep(POLL_MS / 10, signal)
  }
  try {
    if (await isAbandoned(path, await readOwner(path), staleAfterMs)) await removeFile(path)
  } finally {
    await removeFile(claim)
  }
}
