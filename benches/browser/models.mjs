// The models of the bench, and the work that each is given: contexts of 512 tokens hold it for all of them.

import { join } from 'node:path'

/**
 * `dtypes`: what Quire computes the safetensors in; `blocks`: the same weights quantised, as a GGUF file.
 * @param folders `shared`: golden models and their GGUF files; `models`: what tests/fetch-models brings.
 */
export function modelsIn({ shared, models }) {
  const tiny = name => ({
    name,
    path: join(shared, 'models', name),
    gguf: join(shared, 'models/gguf', `${name}-F16.gguf`),
    dtypes: ['float32'],
    workload: { promptWords: 100, numTokens: 128, manyWords: 24 },
  })
  return [
    tiny('stories260K'),
    tiny('TinyStories-656K'),
    {
      name: 'smollm2',
      path: join(models, 'smollm2-135m-instruct-bf16'),
      ggufMetadata: join(models, 'smollm2-135m-instruct.Q4_1.gguf'),
      blocks: { format: 'Q4_1', path: join(models, 'smollm2-135m-instruct.Q4_1.gguf') },
      dtypes: ['bfloat16', 'float32'],
      // Once: peers take a minute for it.
      workload: { promptWords: 160, numTokens: 32, manyWords: 24, rounds: 1 },
    },
  ]
}
