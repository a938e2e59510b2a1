// Which of a folder's files is the GGUF model, by their names: what a folder without other weights is the home of.

import { ModelError } from '../errors.js'

/** Weights in Hugging Face's layout: a folder that has them is no folder of GGUF files. */
const OTHER_WEIGHTS: ReadonlySet<string> = new Set(['model.safetensors', 'model.safetensors.index.json'])

/** The number of a part, and of how many, at the end of a name. */
const PART = /-(\d{5})-of-(\d{5})\.gguf$/i

/** Whether a path is called like a GGUF file. */
export function isGguf(path: string): boolean {
  return /\.gguf$/i.test(path)
}

/**
 * The first file of the only model among the names of a folder's files; undefined if there is none, or other weights.
 * @throws ModelError if there are several.
 */
export function onlyGguf(names: readonly string[], folder: string): string | undefined {
  if (names.some(name => OTHER_WEIGHTS.has(name))) return undefined
  const models = names.filter(name => isGguf(name) && !isLaterPart(name) && !isProjector(name)).sort()
  if (models.length <= 1) return models[0]
  throw new ModelError(
    'ERR_MODEL_NOT_FOUND',
    `There are ${models.length} GGUF files in '${folder}': ${models.join(', ')}. Name one of them as the model.`,
    { details: { path: folder, files: models } },
  )
}

function isLaterPart(name: string): boolean {
  const part = PART.exec(name)?.[1]
  return part !== undefined && Number(part) > 1
}

/** What turns images into tokens of another model is no model itself. */
function isProjector(name: string): boolean {
  return /^mmproj/i.test(name)
}
