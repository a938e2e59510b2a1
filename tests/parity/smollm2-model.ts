// Where SmolLM2-135M-Instruct and what transformers said of it are, or why they are not here. tests/fetch-models fetches it.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sharedModels, withoutSharedModels } from './golden-model.js'

const models = process.env.QUIRE_TEST_MODELS ?? ''

export const model = join(models, 'smollm2-135m-instruct')
export const golden = join(sharedModels ?? '', 'smollm2-135m-instruct', 'golden.json')

export function reasonToSkip(): string | undefined {
  if (models === '' || !existsSync(join(model, 'model.safetensors'))) {
    return process.env.QUIRE_TEST_MODELS_SKIPPED ?? 'the weights were not fetched (npm test does it)'
  }
  if (sharedModels === undefined || !existsSync(golden)) return withoutSharedModels
  return undefined
}
