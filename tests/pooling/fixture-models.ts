// The encoders of tests/fixtures/pooling with what transformers gave for them, and all-MiniLM-L6-v2 where it was fetched.

import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sharedModels, withoutSharedModels } from '../parity/golden-model.js'

const fixtures = resolve(fileURLToPath(import.meta.url), '../../fixtures')

export const fixture = (name: string): string => join(fixtures, name)

/** A sequence of a golden file; the vectors that its kind of model has. */
export interface GoldenSequence {
  readonly text: string
  readonly pair?: string
  readonly token_ids: readonly number[]
  readonly mean: readonly number[]
  readonly cls: readonly number[]
  readonly logit: number
}

export function goldenSequences(name: string): readonly GoldenSequence[] {
  return JSON.parse(readFileSync(join(fixture(name), 'golden.json'), 'utf8')).sequences
}

export function cosine(one: ArrayLike<number>, other: ArrayLike<number>): number {
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Array.from(a).reduce((sum, value, index) => sum + value * (b[index] as number), 0)
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other))
}

const models = process.env.QUIRE_TEST_MODELS ?? ''

export const minilm = join(models, 'all-minilm-l6-v2')

interface MinilmCase {
  readonly text: string
  readonly token_ids: readonly number[]
  readonly embedding: readonly number[]
}

export function minilmCases(): readonly MinilmCase[] {
  return JSON.parse(readFileSync(join(sharedModels ?? '', 'all-minilm-l6-v2', 'golden.json'), 'utf8')).cases
}

export function reasonToSkipMinilm(): string | undefined {
  if (models === '' || !existsSync(join(minilm, 'model.safetensors'))) {
    return process.env.QUIRE_TEST_MODELS_SKIPPED ?? 'the weights were not fetched (npm test does it)'
  }
  if (sharedModels === undefined) return withoutSharedModels
  return undefined
}
