// Takes models or single revisions out of the cache. What other revisions still use stays.

import { lstat, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HubError } from '../errors.js'
import { type CachedModel, type CachedRevision, listCache } from './cache-contents.js'
import { locksFolder } from './cache-layout.js'
import { cacheError } from './disk-space.js'
import { lockOwner } from './file-lock.js'

/** What would be removed. */
export interface Removal {
  readonly id: string
  readonly cacheDir: string
  /** Whether nothing of the model stays. */
  readonly isWhole: boolean
  readonly revisions: readonly CachedRevision[]
  readonly freedBytes: number
  /** In the order in which they go. */
  readonly paths: readonly string[]
}

/**
 * @param revision a branch, a tag, a commit or the beginning of one; absent = all of the model.
 * @throws HubError if the cache does not have it, or it is being downloaded.
 */
export async function planRemoval(cacheDir: string, id: string, revision?: string): Promise<Removal> {
  const models = await listCache(cacheDir)
  const model = models.find(each => each.id === id)
  if (model === undefined) {
    const there = models.length === 0 ? 'It is empty.' : `It has: ${models.map(each => each.id).join(', ')}.`
    throw notCached(`The cache '${cacheDir}' has no model '${id}'. ${there}`, id, revision)
  }
  await refuseWhileLocked(cacheDir, id)
  const chosen = revision === undefined ? model.revisions : model.revisions.filter(each => isMeant(each, revision))
  if (revision !== undefined && chosen.length !== 1) {
    const there = model.revisions.map(({ commit, refs }) => [commit.slice(0, 12), ...refs].join(' = ')).join(', ')
    throw notCached(`The cache has no revision '${revision}' of ${id}. It has: ${there || 'none'}.`, id, revision)
  }
  if (chosen.length === model.revisions.length) {
    const paths = [model.directory, locksFolder(cacheDir, id)]
    return { id, cacheDir, isWhole: true, revisions: chosen, freedBytes: model.sizeBytes, paths }
  }
  return { id, cacheDir, isWhole: false, revisions: chosen, ...(await partOf(model, chosen)) }
}

/** @throws HubError. */
export async function removeFromCache({ paths, cacheDir, isWhole }: Removal): Promise<void> {
  try {
    for (const path of paths) {
      await rm(path, { recursive: true, force: true })
      if (!isWhole) await removeEmptyParents(path)
    }
  } catch (error) {
    throw cacheError(error, cacheDir)
  }
}

/** A reference such as refs/pr/1 leaves folders behind. */
async function removeEmptyParents(path: string): Promise<void> {
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    try {
      await rmdir(parent)
    } catch {
      return
    }
  }
}

/** References, then snapshots, then content that no other revision has. */
async function partOf(
  model: CachedModel,
  chosen: readonly CachedRevision[],
): Promise<Pick<Removal, 'paths' | 'freedBytes'>> {
  const kept = new Set(model.revisions.filter(each => !chosen.includes(each)).flatMap(({ contents }) => contents))
  const blobs = join(model.directory, 'blobs')
  const freed = [...new Set(chosen.flatMap(({ contents }) => contents))].filter(path => !kept.has(path))
  // A blob that links into the store which Python's tools share between models frees nothing by itself.
  const sizes = await Promise.all(
    freed.map(path =>
      lstat(path).then(
        found => (found.isFile() ? found.size : 0),
        () => 0,
      ),
    ),
  )
  return {
    freedBytes: sizes.reduce((sum, size) => sum + size, 0),
    paths: [
      ...chosen.flatMap(({ refs }) => refs.map(ref => join(model.directory, 'refs', ...ref.split('/')))),
      ...chosen.map(({ directory }) => directory),
      ...freed.filter(path => dirname(path) === blobs),
    ],
  }
}

function isMeant({ commit, refs }: CachedRevision, revision: string): boolean {
  return refs.includes(revision) || (/^[0-9a-f]{6,40}$/.test(revision) && commit.startsWith(revision))
}

async function refuseWhileLocked(cacheDir: string, id: string): Promise<void> {
  const folder = locksFolder(cacheDir, id)
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = name.endsWith('.quire-lock') ? await lockOwner(join(folder, name)) : undefined
    if (owner === undefined) continue
    const message = `${id} is being downloaded by process ${owner.pid} on ${owner.host}. End it first, or wait.`
    throw new HubError('ERR_HUB_CACHE', message, { details: { model: id, reason: 'locked', ...owner } })
  }
}

function notCached(message: string, model: string, revision: string | undefined): HubError {
  return new HubError('ERR_HUB_NOT_FOUND', message, { details: { model, revision, reason: 'cache' } })
}
