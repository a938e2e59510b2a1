// One choice while it is said: its text goes through the parser of the answer, and what was told of it is counted.

import type { CompletionOutput } from '../../engine/index.js'
import type { MessageParser } from '../tools/index.js'
import type { ChatChoice, ChatFinish, ChatNews, ChatPart } from './chat-event.js'

export class ChoiceReader {
  readonly #parser: MessageParser | undefined
  readonly #includeReasoning: boolean
  readonly #onParsed: ((foundCall: boolean) => void) | undefined
  numTokens = 0
  /** Tokens of deltas that were reasoning. */
  numReasoningTokens = 0
  #reasons = false
  #hasCalls = false

  /** Without a parser, everything is content. `onParsed` is told of every text that went through it. */
  constructor(
    parser: MessageParser | undefined,
    includeReasoning: boolean,
    onParsed: ((foundCall: boolean) => void) | undefined,
  ) {
    this.#parser = parser
    this.#includeReasoning = includeReasoning
    this.#onParsed = onParsed
  }

  read({ index, text, tokenIds, logprobs, finishReason, stopReason }: CompletionOutput): ChatNews {
    const parts = this.#partsOf(text, finishReason !== null)
    this.numTokens += tokenIds.length
    if (parts[0] !== undefined) this.#reasons = parts[0].kind === 'reasoning'
    if (this.#reasons) this.numReasoningTokens += tokenIds.length
    const last = parts.at(-1)
    if (last !== undefined) this.#reasons = last.kind === 'reasoning'
    this.#hasCalls ||= parts.some(({ kind }) => kind === 'call')
    this.#onParsed?.(parts.some(({ kind }) => kind === 'call' || kind === 'arguments'))
    return {
      choice: index,
      parts: this.#includeReasoning ? parts : parts.filter(({ kind }) => kind !== 'reasoning'),
      tokenIds,
      logprobs,
      finish: finishReason === null ? null : this.#finish(finishReason, stopReason),
    }
  }

  #partsOf(text: string, over: boolean): readonly ChatPart[] {
    if (this.#parser === undefined) return text === '' ? [] : [{ kind: 'content', text }]
    const parts = text === '' ? [] : this.#parser.push(text)
    return over ? [...parts, ...this.#parser.finish()] : parts
  }

  /** A text that was cut off is no finished call. */
  #finish(
    reason: NonNullable<CompletionOutput['finishReason']>,
    stopReason: CompletionOutput['stopReason'],
  ): ChatFinish {
    return { reason: this.#hasCalls && reason === 'stop' ? 'toolCalls' : reason, stopReason }
  }
}

/** The whole choice of an output that has ended. */
export function wholeChoice(output: CompletionOutput, reader: ChoiceReader): ChatChoice {
  const { choice, parts, tokenIds, logprobs, finish } = reader.read(output)
  let reasoning = ''
  let content = ''
  const calls: { id: string; name: string; arguments: string }[] = []
  for (const part of parts) {
    if (part.kind === 'reasoning') reasoning += part.text
    else if (part.kind === 'content') content += part.text
    else if (part.kind === 'call') calls[part.index] = { id: part.id, name: part.name, arguments: '' }
    else (calls[part.index] as { arguments: string }).arguments += part.text
  }
  return {
    index: choice,
    reasoning: reasoning === '' ? null : reasoning,
    content: content === '' && calls.length > 0 ? null : content,
    toolCalls: calls,
    finish: finish ?? { reason: 'abort', stopReason: null },
    tokenIds,
    logprobs,
  }
}
