// A model in this process.

import type { SamplingOptions, SamplingParams } from '../../config/index.js'
import type { ChatMessage, CreateOptions, Prompt } from '../../engine/index.js'
import { LLM } from '../../node-llm.js'
import { announce } from '../announce.js'
import type { Streams } from '../streams.js'
import type { Answerer, AnswerPiece } from './answerer.js'

export class ModelAnswerer implements Answerer {
  readonly #llm: LLM
  readonly #params: SamplingParams

  private constructor(llm: LLM, params: SamplingParams) {
    this.#llm = llm
    this.#params = params
  }

  /** @throws as LLM.create, InvalidArgumentError. */
  static async create(engine: CreateOptions, sampling: SamplingOptions, streams: Streams): Promise<ModelAnswerer> {
    const llm = await LLM.create(engine)
    announce(llm, streams)
    return new ModelAnswerer(llm, llm.defaultSamplingParams.with(sampling))
  }

  answer(messages: readonly ChatMessage[], signal: AbortSignal): AsyncIterable<AnswerPiece> {
    return this.#stream({ messages }, signal)
  }

  complete(prompt: string, signal: AbortSignal): AsyncIterable<AnswerPiece> {
    return this.#stream(prompt, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#llm.close()
  }

  async *#stream(prompt: Prompt, signal: AbortSignal): AsyncGenerator<AnswerPiece, void, undefined> {
    for await (const { outputs } of this.#llm.stream(prompt, this.#params, { signal })) {
      for (const { text, tokenIds } of outputs) yield { text, reasoning: '', numTokens: tokenIds.length }
    }
  }
}
