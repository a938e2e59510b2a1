// Where SmolLM2-135M-Instruct and what transformers said of it are, or why they are not here. tests/fetch-models fetches it.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sharedModels, withoutSharedModels } from './golden-model.js'

const models = process.env.QUIRE_TEST_MODELS ?? ''

export const model = join(models, 'smollm2-135m-instruct')
export const golden = join(sharedModels ?? '', 'smollm2-135m-instruct', 'golden.json')

/** Why tests that need the weights alone are skipped. */
export function reasonWithoutWeights(): string | undefined {
  if (models !== '' && existsSync(join(model, 'model.safetensors'))) return undefined
  return process.env.QUIRE_TEST_MODELS_SKIPPED ?? 'the weights were not fetched (npm test does it)'
}

/** Why tests that need what transformers said are skipped. */
export function reasonToSkip(): string | undefined {
  const reason = reasonWithoutWeights()
  if (reason !== undefined) return reason
  return sharedModels === undefined || !existsSync(golden) ? withoutSharedModels : undefined
}
