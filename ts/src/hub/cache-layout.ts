// Hugging Face's cache on disk, in the layout of its Python library: where a repository, a blob, a snapshot and a reference
// are, and how a snapshot's file points at its blob.
//
//     <cache>/models--org--name/blobs/<etag>                      content
//                               refs/<revision>                   a commit
//                               snapshots/<commit>/<file>         -> ../../blobs/<etag>
//     <cache>/.locks/models--org--name/

import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { HubError } from '../errors.js'
import { isCommit } from './model-name.js'

const FOLDER = /^models--([\w.-]+)$/

/** What a backup program looks for in a folder that it may leave out. */
const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by Hugging Face tools and by Quire.
# For information about cache directory tags, see https://bford.info/cachedir/
`

export function repositoryFolder(cacheDir: string, id: string): string {
  return join(cacheDir, `models--${id.replace('/', '--')}`)
}

export function locksFolder(cacheDir: string, id: string): string {
  return join(cacheDir, '.locks', `models--${id.replace('/', '--')}`)
}

/** The model of a folder of the cache, old names without an owner included; undefined if it is none. */
export function modelOfFolder(name: string): string | undefined {
  const parts = FOLDER.exec(name)?.[1]?.split('--')
  return parts === undefined || parts.length > 2 ? undefined : parts.join('/')
}

export function blobPath(repository: string, etag: string): string {
  return join(repository, 'blobs', etag)
}

export function snapshotFolder(repository: string, commit: string): string {
  return join(repository, 'snapshots', commit)
}

/**
 * A name that a server gave, as a path below a folder.
 * @throws HubError if it would lead anywhere else.
 */
export function checkFileName(name: string): string {
  const parts = name.split('/')
  const isSafe = parts.every(
    part => part !== '' && part !== '.' && part !== '..' && part.length <= 255 && !/[\p{Cc}\\:]/u.test(part),
  )
  if (isSafe && name.length <= 1024) return name
  throw new HubError(
    'ERR_HUB_DOWNLOAD',
    `The hub lists a file by a name that leaves the folder: ${JSON.stringify(name.slice(0, 200))}.`,
    {
      details: { reason: 'name' },
    },
  )
}

/** The commit that the cache has for a revision. */
export async function readReference(repository: string, revision: string): Promise<string | undefined> {
  if (isCommit(revision)) return revision
  const text = await readFile(join(repository, 'refs', ...revision.split('/')), 'utf8').catch(() => '')
  return isCommit(text.trim()) ? text.trim() : undefined
}

/** Readers see the old commit or the new one. */
export async function writeReference(repository: string, revision: string, commit: string): Promise<void> {
  if (isCommit(revision) || (await readReference(repository, revision)) === commit) return
  const path = join(repository, 'refs', ...revision.split('/'))
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  await writeFile(temporary, commit)
  await rename(temporary, path)
}

/** A snapshot's file in the place of `pointer`: a relative link, or where there are none the content itself. */
export async function placeFile(
  blob: string,
  pointer: string,
  { symlinks, isNew }: { readonly symlinks: boolean; readonly isNew: boolean },
): Promise<void> {
  await mkdir(dirname(pointer), { recursive: true })
  if (symlinks && (await linked(blob, pointer))) return
  if (isNew) {
    await rename(blob, pointer)
  } else {
    const temporary = `${pointer}.${randomBytes(4).toString('hex')}.incomplete`
    await copyFile(blob, temporary)
    await rename(temporary, pointer)
  }
}

/** False: this file system, or this user, has no symbolic links. Some say that they made one, and did not. */
async function linked(blob: string, pointer: string): Promise<boolean> {
  await rm(pointer, { force: true })
  try {
    await symlink(relative(dirname(pointer), blob), pointer)
    return (await sizeOf(pointer)) !== undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return (await sizeOf(pointer)) !== undefined
    if (['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'UNKNOWN'].includes(code ?? '')) return false
    throw error
  }
}

/** Bytes of a file, through its link; undefined if there is none, or its link leads nowhere. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}

/** Marks the cache for backup programs. Never fails. */
export async function tagCache(cacheDir: string): Promise<void> {
  await writeFile(join(cacheDir, 'CACHEDIR.TAG'), CACHE_TAG, { flag: 'wx' }).catch(() => {})
}

/** Removes a file that may not be there. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
