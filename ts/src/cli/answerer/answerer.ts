// Who answers in the terminal: a model in this process, or a server.

import type { ChatMessage } from '../../engine/index.js'

/** What came, since the piece before. */
export interface AnswerPiece {
  readonly text: string
  /** What a model says to itself, where a server tells it apart. */
  readonly reasoning: string
  /** Tokens of this piece; undefined: one, as far as is known. */
  readonly numTokens: number | undefined
}

export interface Answerer extends AsyncDisposable {
  /** The next message of a conversation. @throws EngineError; RequestAbortedError once the signal is aborted. */
  answer(messages: readonly ChatMessage[], signal: AbortSignal): AsyncIterable<AnswerPiece>
  /** A text, continued. @throws the same. */
  complete(prompt: string, signal: AbortSignal): AsyncIterable<AnswerPiece>
}
