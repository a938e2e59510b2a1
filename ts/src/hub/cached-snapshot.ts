// A model in the cache, found without asking anybody: who pulled it, we or Python's tools, makes no difference.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../errors.js'
import { readReference, repositoryFolder, sizeOf, snapshotFolder } from './cache-layout.js'
import { CONFIG, type Purpose, shardsOf, TOKENIZER, WEIGHTS, WEIGHTS_INDEX } from './file-selection.js'
import { chooseGguf, isGgufModel } from './gguf-choice.js'
import type { ModelName } from './model-name.js'

/** What the cache has of a revision. */
export interface CachedSnapshot {
  readonly commit: string
  readonly directory: string
  /** Files without which it is of no use; empty: it is complete. */
  readonly missing: readonly string[]
  readonly hasTokenizer: boolean
  /** The GGUF file that is the model, where it is one. */
  readonly file?: string
}

/** Undefined: nothing of this revision. */
export async function findCached(
  cacheDir: string,
  { id, revision, gguf }: ModelName,
  purpose: Purpose,
): Promise<CachedSnapshot | undefined> {
  const repository = repositoryFolder(cacheDir, id)
  const commit = await readReference(repository, revision)
  if (commit === undefined) return undefined
  const directory = snapshotFolder(repository, commit)
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  if (gguf !== undefined || (purpose === 'model' && isGgufModel(names, undefined))) {
    const files = ggufFiles(names, gguf, id)
    if (files === undefined) return undefined
    return { commit, directory, missing: await absent(directory, files), hasTokenizer: true, file: files[0] as string }
  }
  const missing = await missingFiles(directory, purpose, id)
  const [config, tokenizer] = await Promise.all([CONFIG, TOKENIZER].map(file => sizeOf(join(directory, file))))
  const hasTokenizer = tokenizer !== undefined
  return config === undefined && !hasTokenizer ? undefined : { commit, directory, missing, hasTokenizer }
}

/** Files that a snapshot lacks for its purpose. */
export async function missingFiles(directory: string, purpose: Purpose, id: string): Promise<string[]> {
  if (purpose === 'tokenizer') return absent(directory, [TOKENIZER])
  const names = await readdir(directory).catch(() => [])
  const gguf = isGgufModel(names, undefined) ? ggufFiles(names, undefined, id) : undefined
  if (gguf !== undefined) return absent(directory, gguf)
  const missing = await absent(directory, [CONFIG])
  if ((await sizeOf(join(directory, WEIGHTS))) !== undefined) return missing
  const index = await readFile(join(directory, WEIGHTS_INDEX), 'utf8').catch(() => undefined)
  if (index === undefined) return [...missing, WEIGHTS]
  try {
    return [...missing, ...(await absent(directory, shardsOf(index, id)))]
  } catch (error) {
    if (error instanceof HubError) return [...missing, WEIGHTS_INDEX]
    throw error
  }
}

/** The files of the model that is meant; undefined where that cannot be told of those that are there. */
function ggufFiles(names: readonly string[], choice: string | undefined, id: string): readonly string[] | undefined {
  try {
    return chooseGguf(
      names.map(name => name.replaceAll('\\', '/')),
      choice,
      id,
    )
  } catch (error) {
    if (error instanceof HubError) return undefined
    throw error
  }
}

async function absent(directory: string, names: readonly string[]): Promise<string[]> {
  const sizes = await Promise.all(names.map(name => sizeOf(join(directory, name))))
  return names.filter((_, index) => sizes[index] === undefined)
}
