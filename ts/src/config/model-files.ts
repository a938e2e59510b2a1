// The few facts of a model directory that are needed before a plugin is chosen. Everything else is the runner's to read.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError } from '../errors.js'
import { parseModelJson } from './parse-model-json.js'
import { isPacked } from './unpacked-path.js'

/** What config.json says of the model's class: the first of `architectures`; `model_type` alone where there is no such list. */
export type ModelClass = { readonly architecture: string } | { readonly modelType: string }

/**
 * The class that config.json names.
 * @throws ModelError: `ERR_MODEL_NOT_FOUND` if there is no such directory or no config.json, `ERR_MODEL_INVALID` if it cannot be read.
 */
export async function readModelClass(directory: string): Promise<ModelClass> {
  checkUnpacked(directory)
  const isDirectory = await stat(directory).then(
    found => found.isDirectory(),
    () => false,
  )
  if (!isDirectory) {
    throw new ModelError('ERR_MODEL_NOT_FOUND', `There is no model directory at '${directory}'.`, {
      details: { path: directory },
    })
  }
  const path = join(directory, 'config.json')
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ModelError('ERR_MODEL_NOT_FOUND', `'${directory}' has no config.json: it is not a model directory.`, {
      details: { path },
      cause,
    })
  })
  return modelClassOf(text, path)
}

/** The same of the file's text; errors call it `path`. @throws ModelError (`ERR_MODEL_INVALID`). */
export function modelClassOf(text: string, path: string): ModelClass {
  const { architectures, model_type: modelType } = parse(text, path) as Readonly<Record<string, unknown>>
  const architecture: unknown = Array.isArray(architectures) ? architectures[0] : undefined
  if (typeof architecture === 'string') return { architecture }
  if ((architectures ?? undefined) === undefined && typeof modelType === 'string') return { modelType }
  throw new ModelError(
    'ERR_MODEL_INVALID',
    `'${path}' names no architecture (a list \`architectures\` of strings, or a \`model_type\`).`,
    { details: { path } },
  )
}

/** @throws ModelError for a model that native code cannot read: in the archive of an Electron app. */
export function checkUnpacked(path: string): void {
  if (!isPacked(path)) return
  throw new ModelError(
    'ERR_MODEL_NOT_FOUND',
    `The model '${path}' is inside an Electron archive, where native code cannot read it. Unpack it (\`asarUnpack\` of electron-builder, \`unpackDir\` of Forge), or keep models outside of the app.`,
    { details: { path } },
  )
}

function parse(text: string, path: string): object {
  try {
    const value = parseModelJson(text)
    if (typeof value === 'object' && value !== null) return value
  } catch (cause) {
    throw new ModelError('ERR_MODEL_INVALID', `'${path}' is not valid JSON.`, { details: { path }, cause })
  }
  throw new ModelError('ERR_MODEL_INVALID', `'${path}' is not a JSON object.`, { details: { path } })
}
