// A turn over the engine's stream: what it newly says is read choice by choice when somebody takes it.

import { likeliestOutputs, type RequestOutput, type RequestStream } from '../../engine/index.js'
import type { ChatNews, ChatPrompt, ChatResult, ChatTurn, ChatUsage } from './chat-event.js'
import { type ChoiceReader, wholeChoice } from './choice-reader.js'

export interface TurnParts {
  readonly prompt: ChatPrompt
  /** Choices that are given back; more may be drawn. */
  readonly numChoices: number
  readonly newReader: () => ChoiceReader
  /** How many tokens texts have. */
  readonly countTokens: (texts: readonly string[]) => Promise<number>
}

export class StreamedTurn implements ChatTurn {
  readonly #stream: RequestStream
  readonly #parts: TurnParts
  readonly #readers = new Map<number, ChoiceReader>()
  #cachedTokens = 0

  constructor(stream: RequestStream, parts: TurnParts) {
    this.#stream = stream
    this.#parts = parts
  }

  get prompt(): ChatPrompt {
    return this.#parts.prompt
  }

  get ended(): boolean {
    return this.#stream.ended
  }

  get error(): Error | undefined {
    return this.#stream.error
  }

  onNews(listener: () => void): void {
    this.#stream.onNews(listener)
  }

  take(): readonly ChatNews[] {
    const output = this.#stream.take()
    if (output === undefined) return []
    this.#cachedTokens = output.numCachedTokens
    return output.outputs.map(one => this.#reader(one.index).read(one))
  }

  async final(): Promise<ChatResult> {
    return wholeResult(await this.#stream.final(), this.#parts)
  }

  usage(): ChatUsage {
    return this.#usageOf([...this.#readers.values()])
  }

  usageOf(choice: number): ChatUsage {
    return this.#usageOf([this.#reader(choice)])
  }

  abort(): void {
    this.#stream.abort()
  }

  #reader(index: number): ChoiceReader {
    let reader = this.#readers.get(index)
    if (reader === undefined) {
      reader = this.#parts.newReader()
      this.#readers.set(index, reader)
    }
    return reader
  }

  #usageOf(readers: readonly ChoiceReader[]): ChatUsage {
    return {
      promptTokens: this.prompt.tokenIds.length,
      completionTokens: readers.reduce((sum, { numTokens }) => sum + numTokens, 0),
      cachedTokens: this.#cachedTokens,
      reasoningTokens: readers.reduce((sum, { numReasoningTokens }) => sum + numReasoningTokens, 0),
    }
  }
}

/** The result of outputs that have ended; of more than are asked for, the likeliest. */
export async function wholeResult(output: RequestOutput, parts: TurnParts): Promise<ChatResult> {
  const { numChoices, newReader, countTokens, prompt } = parts
  const { outputs } = output
  const kept = outputs.length > numChoices ? likeliestOutputs(outputs, numChoices) : outputs
  const readers = kept.map(newReader)
  const choices = kept.map((one, index) => wholeChoice(one, readers[index] as ChoiceReader))
  const thoughts = choices.flatMap(({ reasoning }) => reasoning ?? [])
  return {
    choices,
    usage: {
      promptTokens: prompt.tokenIds.length,
      completionTokens: outputs.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
      cachedTokens: output.numCachedTokens,
      reasoningTokens: thoughts.length === 0 ? 0 : await countTokens(thoughts),
    },
    promptLogprobs: output.promptLogprobs,
  }
}
