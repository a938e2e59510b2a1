// Folders that are there already: a directory handle, or files that the user has chosen.

import { ModelError } from '../errors.js'
import { type ModelFile, type ModelFolder, piecesOfBlob } from './model-folder.js'
import type { NamedFile } from './model-source.js'

export function folderOfDirectory(directory: FileSystemDirectoryHandle): ModelFolder {
  return localFolder(`the folder '${directory.name}'`, name => fileIn(directory, name))
}

export function folderOfFiles(files: readonly NamedFile[]): ModelFolder {
  const byName = new Map(files.map(({ name, file }) => [name, file]))
  return localFolder('the files', async name => byName.get(name))
}

function localFolder(label: string, find: (name: string) => Promise<File | undefined>): ModelFolder {
  return {
    label,
    open: async name => {
      const file = await find(name)
      return file === undefined ? undefined : modelFile(label, name, file)
    },
    fetchAll: async files => files,
    close: async () => {},
  }
}

function modelFile(label: string, name: string, file: File): ModelFile {
  return {
    name,
    byteLength: file.size,
    async *pieces() {
      try {
        yield* piecesOfBlob(file)
      } catch (cause) {
        throw new ModelError('ERR_MODEL_INVALID', `${name} of ${label} cannot be read: it has changed or is gone.`, {
          cause,
          details: { file: name },
        })
      }
    },
  }
}

/** A file by its path below the directory. @throws ModelError if the user does not let it be read. */
export async function fileIn(directory: FileSystemDirectoryHandle, path: string): Promise<File | undefined> {
  const folders = path.split('/')
  const name = folders.pop() as string
  try {
    let folder = directory
    for (const each of folders) folder = await folder.getDirectoryHandle(each)
    return await (await folder.getFileHandle(name)).getFile()
  } catch (cause) {
    if (isNamed(cause, 'NotFoundError') || isNamed(cause, 'TypeMismatchError')) return undefined
    throw new ModelError('ERR_MODEL_NOT_FOUND', `'${path}' of '${directory.name}' may not be read.`, {
      cause,
      details: { file: path },
    })
  }
}

/** Whether an exception of the platform has this name. */
export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}
