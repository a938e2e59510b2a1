// What a request gives back: plain data, the field's own shape, no OpenAI JSON.

/** Why a continuation ended; null while it goes on. */
export type FinishReason = 'stop' | 'length' | 'abort' | 'error' | 'repetition'

/** One id with its log-probability. */
export interface RankedToken {
  /** The id. */
  readonly tokenId: number
  /** Natural logarithm of its probability. */
  readonly logprob: number
  /** 1 = the likeliest. */
  readonly rank: number
  /** The id's own text; empty for a part of a character. */
  readonly decodedToken: string
}

/** The id at one position, and the others that were asked for. */
export interface TokenLogprob extends RankedToken {
  /** The id itself first, then the likeliest (or those asked for) by rank. */
  readonly top: readonly RankedToken[]
}

/** One continuation. With output kind 'delta', text, ids and logprobs are the news only. */
export interface CompletionOutput {
  /** 0 to n - 1. */
  readonly index: number
  /** The text; empty without a tokenizer or with `detokenize: false`. */
  readonly text: string
  /** The ids, those that ended it among them: a stop string cuts the text alone. */
  readonly tokenIds: readonly number[]
  /** Sum over all tokens so far, if logprobs were asked for. */
  readonly cumulativeLogprob: number | null
  /** One entry per id, if they were asked for. */
  readonly logprobs: readonly TokenLogprob[] | null
  /** Why it ended; null while it goes on. */
  readonly finishReason: FinishReason | null
  /** The stop string or stop id that ended it; null for the end-of-sequence id and for length. */
  readonly stopReason: string | number | null
}

/** Moments in milliseconds since 1970; null until they have come. */
export interface RequestMetrics {
  /** When the request was taken. */
  readonly arrivalMs: number
  /** When the first step with it began. */
  readonly firstScheduledMs: number | null
  /** When its first token had come. */
  readonly firstTokenMs: number | null
  /** When its newest token had come. */
  readonly lastTokenMs: number | null
}

/** What one request gave: its prompt, and its continuations. */
export interface RequestOutput {
  /** The request's name in the engine. */
  readonly requestId: string
  /** The prompt's text, where it was given as text or messages. */
  readonly prompt: string | undefined
  /** The ids of the prompt. */
  readonly promptTokenIds: readonly number[]
  /** One entry per prompt id, null for the first, if they were asked for. */
  readonly promptLogprobs: readonly (TokenLogprob | null)[] | null
  /** By index. While streaming, only continuations with news. */
  readonly outputs: readonly CompletionOutput[]
  /** True once every continuation has ended. */
  readonly finished: boolean
  /** When what happened. */
  readonly metrics: RequestMetrics
  /** Prompt tokens whose KV was found in the prefix cache. */
  readonly numCachedTokens: number
}
