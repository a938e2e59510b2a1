// Model folders with golden tokens, as `quire-llm/testing` takes them: fixtures of this repository, and shared models where
// they are.

import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sharedModels } from '../parity/golden-model.js'

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))

export interface GoldenFolder {
  readonly path: string
  readonly name: string
  readonly cases: readonly { readonly promptTokenIds: readonly number[]; readonly outputTokenIds: readonly number[] }[]
}

/** Both formats of golden.json: that of the fixtures, and that of the shared models. */
interface GoldenFile {
  readonly prompts?: readonly { readonly prompt_token_ids: number[]; readonly greedy_token_ids: number[] }[]
  readonly cases?: readonly { readonly prompt_token_ids: number[]; readonly output_token_ids: number[] }[]
}

export function fixture(name: string): GoldenFolder {
  return read(join(fixtures, name))
}

/** A shared model, or undefined. */
export function sharedModel(name: string): GoldenFolder | undefined {
  const path = join(sharedModels ?? '', name)
  return sharedModels !== undefined && existsSync(join(path, 'golden.json')) ? read(path) : undefined
}

function read(path: string): GoldenFolder {
  const { prompts = [], cases = [] } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as GoldenFile
  return {
    path,
    name: basename(path),
    cases: [
      ...prompts.map(one => ({ promptTokenIds: one.prompt_token_ids, outputTokenIds: one.greedy_token_ids })),
      ...cases.map(one => ({ promptTokenIds: one.prompt_token_ids, outputTokenIds: one.output_token_ids })),
    ],
  }
}
