// What a turn gives back, in nobody's wire format: news of each choice while it is streamed, and a whole result at the end.

import type { FinishReason, TokenLogprob } from '../../engine/index.js'
import type { MessageEvent } from '../tools/index.js'

/** Why a choice ended: the engine's reasons, and that the model has called tools. */
export type ChatFinishReason = FinishReason | 'toolCalls'

/** How a choice ended. */
export interface ChatFinish {
  /** Why it ended. */
  readonly reason: ChatFinishReason
  /** The stop string or stop id that ended it; null for the end-of-sequence id and for length. */
  readonly stopReason: string | number | null
}

/**
 * A piece of what a choice says, in the order in which it says it. A call begins once, then its arguments follow in pieces
 * which together are JSON; calls are numbered from 0 within their choice.
 */
export type ChatPart = MessageEvent

/** What one choice has newly said: everything since it was last taken, merged. */
export interface ChatNews {
  /** Which of the choices, from 0. */
  readonly choice: number
  /** Often one; none where only ids came, or only the end. */
  readonly parts: readonly ChatPart[]
  /** The new ids. */
  readonly tokenIds: readonly number[]
  /** Of every new id, if they were asked for. */
  readonly logprobs: readonly TokenLogprob[] | null
  /** Set in the last news of a choice. */
  readonly finish: ChatFinish | null
}

/** Tokens that a turn took. */
export interface ChatUsage {
  /** Tokens of the prompt. */
  readonly promptTokens: number
  /** Tokens of all choices. */
  readonly completionTokens: number
  /** Prompt tokens whose KV was found in the prefix cache. */
  readonly cachedTokens: number
  /** Completion tokens that were reasoning; 0 for models that do not reason. */
  readonly reasoningTokens: number
}

/** A call that the model made. */
export interface ChatToolCall {
  /** Its name, to be given back with what the tool says. */
  readonly id: string
  /** The tool that is called. */
  readonly name: string
  /** JSON, as the model wrote it. */
  readonly arguments: string
}

/** One answer, whole. */
export interface ChatChoice {
  /** From 0. */
  readonly index: number
  /** What the model thought; null if it did not. */
  readonly reasoning: string | null
  /** null where the choice says nothing but tool calls. */
  readonly content: string | null
  /** The calls, in their order. */
  readonly toolCalls: readonly ChatToolCall[]
  /** How it ended. */
  readonly finish: ChatFinish
  /** The ids, those of marks and reasoning included. */
  readonly tokenIds: readonly number[]
  /** One entry per id, if they were asked for. */
  readonly logprobs: readonly TokenLogprob[] | null
}

/** What a turn gave. */
export interface ChatResult {
  /** By index; one, unless `n` asked for more. */
  readonly choices: readonly ChatChoice[]
  /** Tokens that it took. */
  readonly usage: ChatUsage
  /** One entry per prompt id, null for the first, if they were asked for. */
  readonly promptLogprobs: readonly (TokenLogprob | null)[] | null
}

/** What a turn was asked with, once it is rendered. */
export interface ChatPrompt {
  readonly text: string
  readonly tokenIds: ArrayLike<number>
}

/**
 * A turn on its way. Begun by `startChatTurn`, which has refused by then what can be refused before the first token.
 * Read it in one of two ways: `final()`, or `onNews` and `take` until `ended` is true and `take` gives nothing.
 */
export interface ChatTurn {
  /** The prompt that the messages became. */
  readonly prompt: ChatPrompt
  /** The whole result. @throws what ended the turn early. */
  final(): Promise<ChatResult>
  /** Calls `listener` whenever there may be news, and at the end: the way without a promise per token. */
  onNews(listener: () => void): void
  /** What came since the last `take`; empty if there is nothing. */
  take(): readonly ChatNews[]
  /** Nothing more will come; what has come may still be taken. */
  readonly ended: boolean
  /** What ended the turn early. */
  readonly error: Error | undefined
  /** Of what was taken so far. */
  usage(): ChatUsage
  /** The usage of one choice so far, for who reports it with each of its pieces. */
  usageOf(choice: number): ChatUsage
  /** Ends the turn before its time; without effect once it has ended. */
  abort(): void
}
