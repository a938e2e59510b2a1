// What /v1/completions is asked, in our own words. `protocol/completion-request.ts` reads it from a body.

import type { SamplingOptions } from '../../config/index.js'
import type { Truncation } from '../generation/prompt-tokens.js'

/** Text, or ids. */
export type CompletionPrompt = string | readonly number[]

export interface CompletionRequest {
  readonly model?: string
  /** What replies and logs call it. */
  readonly id?: string
  readonly prompts: readonly CompletionPrompt[]
  /** 0: nothing but the echo. */
  readonly maxTokens: number
  /** The caller asked for so many: it is an error if they do not fit. */
  readonly maxTokensGiven: boolean
  /** Begin each choice with its prompt. */
  readonly echo: boolean
  /** Alternatives shown at each position, if logprobs are shown. */
  readonly logprobs?: number
  /** Laid over the model's defaults. */
  readonly sampling: SamplingOptions
  readonly beamSearch?: { readonly lengthPenalty: number }
  /** Draw so many for each prompt and keep the `n` likeliest. */
  readonly bestOf?: number
  readonly addSpecialTokens: boolean
  readonly truncation?: Truncation
  readonly stream: boolean
  readonly includeUsage: boolean
  /** Usage with every chunk. */
  readonly continuousUsage: boolean
  /** Tokens that a chunk gathers. */
  readonly streamInterval?: number
  readonly returnTokenIds: boolean
  /** Where the tokens of the prompt stand, when it is rendered. */
  readonly returnTokenOffsets: boolean
  /** Write tokens as `token_id:N`; undefined: as the operator wishes. */
  readonly tokensAsIds?: boolean
  readonly priority: number
  readonly cacheSalt?: string
  /** Most tokens of reasoning. */
  readonly thinkingTokenBudget?: number
}
