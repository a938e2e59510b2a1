// Checkpoints whose greedy tokens are known, and the golden.json that says them, in the words of the scripts that wrote it.

import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { DTypeName } from '../plugin/dtype.js'

/** A prompt, and what greedy sampling makes of it. */
export interface GoldenCase {
  /** The prompt. */
  readonly promptTokenIds: readonly number[]
  /** The tokens that must follow. */
  readonly outputTokenIds: readonly number[]
  /** Ids that are never drawn. */
  readonly suppressTokenIds?: readonly number[]
}

/** A checkpoint and tokens that it must give. */
export interface GoldenModel {
  /** A directory in Hugging Face's layout. */
  readonly path: string
  /** For the report. Default the directory's name. */
  readonly name?: string
  /** What is tried. */
  readonly cases: readonly GoldenCase[]
  /** The type to compute in. Default 'float32'. */
  readonly dtype?: 'auto' | DTypeName
}

/** `cases`, or `prompts` as the fixtures of Quire have them. */
interface GoldenFile {
  readonly cases?: readonly {
    readonly prompt_token_ids: readonly number[]
    readonly output_token_ids: readonly number[]
    readonly suppress_token_ids?: readonly number[]
  }[]
  readonly prompts?: readonly {
    readonly prompt_token_ids: readonly number[]
    readonly greedy_token_ids: readonly number[]
  }[]
}

/** A directory that has a golden.json with `cases: [{ prompt_token_ids, output_token_ids, suppress_token_ids? }]`. */
export async function readGoldenModel(path: string): Promise<GoldenModel> {
  const { cases = [], prompts = [] } = JSON.parse(await readFile(join(path, 'golden.json'), 'utf8')) as GoldenFile
  return {
    path,
    name: basename(path),
    cases: [
      ...cases.map(one => ({
        promptTokenIds: one.prompt_token_ids,
        outputTokenIds: one.output_token_ids,
        ...(one.suppress_token_ids !== undefined && { suppressTokenIds: one.suppress_token_ids }),
      })),
      ...prompts.map(one => ({ promptTokenIds: one.prompt_token_ids, outputTokenIds: one.greedy_token_ids })),
    ],
  }
}
