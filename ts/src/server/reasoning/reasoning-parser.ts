// What a reasoning parser is: it takes the model's text as it streams and tells what the model thinks from what it says.
// Its content is what a tool parser reads.

/** Pieces of an answer, in the order of the text. */
export type ReasoningEvent =
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'content'; readonly text: string }

/** Reads one answer. What `push` and `finish` give does not depend on where the text was cut. */
export interface ReasoningParser {
  push(delta: string): readonly ReasoningEvent[]
  /** The text is over: whatever was held back. Nothing may be pushed after it. */
  finish(): readonly ReasoningEvent[]
}

export interface ReasoningParserOptions {
  /** The rendered prompt, or its end: a template may have opened or closed the thinking already. */
  readonly prompt?: string
}

/** A way in which models mark what they think. */
export interface ReasoningFormat {
  readonly name: string
  /** Further names, vLLM's `--reasoning-parser` among them. */
  readonly aliases: readonly string[]
  /** The marks are special tokens: the text must be decoded with `skipSpecialTokens: false`. */
  readonly keepsSpecialTokens: boolean
  /** True if a chat template with this source makes the model think in this form. */
  taughtBy(templateSource: string): boolean
  /** The marks as the model writes them: those that open the reasoning, and those that end it, the usual one first. */
  readonly marks: { readonly opening: readonly string[]; readonly closing: readonly string[] }
  /** Whether the answer to a prompt begins inside of the reasoning. */
  beginsInside(prompt: string): boolean
  createParser(options?: ReasoningParserOptions): ReasoningParser
}
