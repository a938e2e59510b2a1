// What is in the cache: models, their revisions, how much of the disk they take and when they were last read.

import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { modelOfFolder, sizeOf } from './cache-layout.js'
import { missingFiles } from './cached-snapshot.js'
import { isCommit } from './model-name.js'

export interface CachedRevision {
  readonly commit: string
  /** Branches and tags that stand for it. */
  readonly refs: readonly string[]
  readonly directory: string
  readonly numFiles: number
  /** Bytes of its files, those that other revisions have too included. */
  readonly sizeBytes: number
  /** Milliseconds since 1970, as the file system knows it. */
  readonly lastUsedMs: number
  /** Whether it can be run: config.json and all weights are there. */
  readonly isComplete: boolean
  /** The content of each file, as a path: a blob, or the file itself. */
  readonly contents: readonly string[]
}

export interface CachedModel {
  readonly id: string
  readonly directory: string
  /** Bytes on disk, each content once, interrupted downloads included. */
  readonly sizeBytes: number
  /** Bytes of interrupted downloads. */
  readonly incompleteBytes: number
  readonly lastUsedMs: number
  readonly revisions: readonly CachedRevision[]
}

/** All models of a cache, by name. A cache that is not there is empty. */
export async function listCache(cacheDir: string): Promise<CachedModel[]> {
  const models: CachedModel[] = []
  for (const name of (await namesIn(cacheDir)).sort()) {
    const id = modelOfFolder(name)
    if (id !== undefined) models.push(await readModel(id, join(cacheDir, name)))
  }
  return models
}

async function readModel(id: string, directory: string): Promise<CachedModel> {
  const refs = await readReferences(join(directory, 'refs'))
  const revisions: CachedRevision[] = []
  for (const commit of (await namesIn(join(directory, 'snapshots'))).filter(isCommit).sort()) {
    revisions.push(await readRevision(id, join(directory, 'snapshots', commit), commit, refs))
  }
  const blobs = (await namesIn(join(directory, 'blobs'))).map(name => join(directory, 'blobs', name))
  const contents = new Set([...blobs, ...revisions.flatMap(revision => revision.contents)])
  const incomplete = blobs.filter(path => path.endsWith('.incomplete'))
  return {
    id,
    directory,
    sizeBytes: await bytesOf(contents),
    incompleteBytes: await bytesOf(incomplete),
    lastUsedMs: Math.max(0, ...revisions.map(({ lastUsedMs }) => lastUsedMs)),
    revisions,
  }
}

async function readRevision(
  id: string,
  directory: string,
  commit: string,
  refs: ReadonlyMap<string, string>,
): Promise<CachedRevision> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name))
  const contents = [...new Set(await Promise.all(files.map(contentOf)))]
  const times = await Promise.all(contents.map(path => stat(path).then(timeOf, () => 0)))
  return {
    commit,
    refs: [...refs].filter(([, target]) => target === commit).map(([name]) => name),
    directory,
    numFiles: files.length,
    sizeBytes: await bytesOf(contents),
    lastUsedMs: Math.max(0, ...times),
    isComplete: (await missingFiles(directory, 'model', id)).length === 0,
    contents,
  }
}

/** Commits by the name that stands for them. */
async function readReferences(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const found = new Map<string, string>()
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.endsWith('.tmp')) continue
    const path = join(entry.parentPath, entry.name)
    const commit = await readFile(path, 'utf8').catch(() => '')
    found.set(path.slice(directory.length + 1).replaceAll('\\', '/'), commit.trim())
  }
  return found
}

function timeOf({ atimeMs, mtimeMs }: { readonly atimeMs: number; readonly mtimeMs: number }): number {
  return Math.max(atimeMs, mtimeMs)
}

async function bytesOf(paths: Iterable<string>): Promise<number> {
  const sizes = await Promise.all([...paths].map(sizeOf))
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

/** Where a snapshot's link leads; a file that is no link is its own content. */
async function contentOf(path: string): Promise<string> {
  const target = await readlink(path).catch(() => undefined)
  return target === undefined ? path : resolve(dirname(path), target)
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
