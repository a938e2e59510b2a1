// The replies of /v1/completions: one body, or chunks of which only the changing part is written anew.

import { z } from 'zod'
import type { TokenLogprob } from '../../engine/index.js'
import {
  type CompletionLogprobsBody,
  completionLogprobsSchema,
  promptLogprobs as promptLogprobsBody,
  promptLogprobsSchema,
} from './logprobs.js'
import { type TokenCounts, usageBody, usageSchema } from './usage.js'

const choiceSchema = z.object({
  index: z.int(),
  text: z.string(),
  logprobs: completionLogprobsSchema.nullable(),
  finish_reason: z.string().nullable(),
  stop_reason: z.union([z.int(), z.string()]).nullish(),
  token_ids: z.array(z.int()).nullish(),
  prompt_logprobs: promptLogprobsSchema.nullish(),
  prompt_token_ids: z.array(z.int()).nullish(),
})

export const completionResponseSchema = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(choiceSchema),
  usage: usageSchema,
  system_fingerprint: z.string().nullish(),
})

export const completionChunkSchema = completionResponseSchema.extend({ usage: usageSchema.nullish() })

/** What every reply and chunk of a request repeats. */
export interface ReplyHead {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  /** Report cached tokens. */
  readonly tellCached: boolean
}

export interface CompletionChoice {
  readonly index: number
  readonly text: string
  readonly logprobs: CompletionLogprobsBody | null
  readonly finishReason: string | null
  readonly stopReason: string | number | null
  readonly tokenIds: readonly number[] | null
  readonly promptTokenIds: ArrayLike<number> | null
  readonly promptLogprobs?: readonly (TokenLogprob | null)[] | null
}

export function completionBody(head: ReplyHead, choices: readonly CompletionChoice[], counts: TokenCounts) {
  return {
    id: head.id,
    object: 'text_completion',
    created: head.created,
    model: head.model,
    choices: choices.map(choice => ({
      index: choice.index,
      text: choice.text,
      logprobs: choice.logprobs,
      finish_reason: choice.finishReason,
      stop_reason: choice.stopReason,
      token_ids: choice.tokenIds,
      prompt_logprobs: choice.promptLogprobs == null ? null : promptLogprobsBody(choice.promptLogprobs),
      prompt_token_ids: choice.promptTokenIds === null ? null : Array.from(choice.promptTokenIds),
    })),
    usage: usageBody(counts, head.tellCached),
    system_fingerprint: null,
  }
}

/** Frames of one stream. */
export class CompletionChunkWriter {
  readonly #open: string
  readonly #head: ReplyHead

  constructor(head: ReplyHead) {
    const { id, created, model } = head
    const fields = JSON.stringify({ id, object: 'text_completion', created, model })
    this.#open = `data: ${fields.slice(0, -1)},"choices":[`
    this.#head = head
  }

  /** News of one choice, with the usage so far if that is to be told. */
  choice(choice: CompletionChoice, counts?: TokenCounts): string {
    const { index, text, logprobs, finishReason, stopReason, tokenIds, promptTokenIds } = choice
    let body = `{"index":${index},"text":${JSON.stringify(text)},"logprobs":`
    body += logprobs === null ? 'null' : JSON.stringify(logprobs)
    body += finishReason === null ? ',"finish_reason":null' : `,"finish_reason":${JSON.stringify(finishReason)}`
    if (finishReason !== null) body += `,"stop_reason":${JSON.stringify(stopReason)}`
    if (promptTokenIds !== null) body += `,"prompt_token_ids":${JSON.stringify(Array.from(promptTokenIds))}`
    if (tokenIds !== null) body += `,"token_ids":${JSON.stringify(tokenIds)}`
    return `${this.#open}${body}}]${counts === undefined ? '' : this.#usage(counts)}}\n\n`
  }

  /** The chunk that ends a stream with its usage. */
  total(counts: TokenCounts): string {
    return `${this.#open}]${this.#usage(counts)}}\n\n`
  }

  #usage(counts: TokenCounts): string {
    return `,"usage":${JSON.stringify(usageBody(counts, this.#head.tellCached))}`
  }
}
