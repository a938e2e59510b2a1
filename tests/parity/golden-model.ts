// Real models with the tokens and logprobs that transformers gave for them, where they are at hand. The folder that holds
// `models/` is named by QUIRE_SHARED, else it is `../shared` beside the repository.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface GoldenLogprob {
  readonly token_id: number
  readonly logprob: number
  readonly top5: readonly (readonly [number, number])[]
}

export interface GoldenCase {
  readonly prompt: string
  readonly prompt_token_ids: readonly number[]
  readonly max_tokens: number
  readonly output_token_ids: readonly number[]
  readonly text: string
  readonly finish_reason: 'stop' | 'length'
  readonly min_top1_top2_logprob_margin: number
  readonly equal_prefix_tokens: { readonly bfloat16: number }
  readonly prompt_logprobs: readonly (number | null)[]
  readonly logprobs: readonly GoldenLogprob[]
}

export interface GoldenModel {
  readonly name: string
  readonly path: string
  readonly stopTokenIds: readonly number[]
  readonly maxModelLen: number
  readonly cases: readonly GoldenCase[]
}

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** The folder of shared models, or undefined. */
export const sharedModels: string | undefined = [process.env.QUIRE_SHARED, join(repository, '../shared')]
  .filter(path => path !== undefined && path !== '')
  .map(path => join(path as string, 'models'))
  .find(path => existsSync(path))

/** Why tests over shared models are skipped, where they are. */
export const withoutSharedModels = 'the folder of shared models is not here (QUIRE_SHARED names it)'

/** Every model with weights, text prompts and golden tokens. */
export function goldenModels(): readonly GoldenModel[] {
  if (sharedModels === undefined) return []
  return readdirSync(sharedModels)
    .map(name => ({ name, path: join(sharedModels as string, name) }))
    .filter(({ path }) => existsSync(join(path, 'golden.json')) && existsSync(join(path, 'model.safetensors')))
    .map(({ name, path }) => {
      const golden = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as {
        stop_token_ids: number[]
        max_model_len: number
        cases: GoldenCase[]
      }
      return { name, path, stopTokenIds: golden.stop_token_ids, maxModelLen: golden.max_model_len, cases: golden.cases }
    })
}

/** True if bfloat16 gives the same tokens for all prompts of the model, as its makers measured with transformers. */
export function keepsTokensInBfloat16({ cases }: GoldenModel): boolean {
  return cases.every(one => one.equal_prefix_tokens.bfloat16 === one.output_token_ids.length)
}
