// A language model of the AI SDK over Quire's chat.

import type { Chat, ChatFinish, ChatTurn } from 'quire-llm/server'
import {
  type AnswerContent,
  type AnswerFinish,
  type AnswerStreamPart,
  type AnswerUsage,
  contentOf,
  finishOf,
  StreamParts,
  usageOf,
} from './answer-parts.js'
import type { CallOptions } from './call-options.js'
import { type CallWarning, toChatInput } from './chat-input.js'

/** Versions of the AI SDK's specification: 3 is that of `ai` 6, 4 that of `ai` 7. */
export type SpecificationVersion = 'v3' | 'v4'

export interface ResponseMetadata {
  id: string
  timestamp: Date
  modelId: string
}

export interface GenerateResult {
  content: AnswerContent[]
  finishReason: AnswerFinish
  usage: AnswerUsage
  warnings: CallWarning[]
  response: ResponseMetadata
}

export type LanguageModelStreamPart =
  | AnswerStreamPart
  | { type: 'stream-start'; warnings: CallWarning[] }
  | ({ type: 'response-metadata' } & ResponseMetadata)
  | { type: 'raw'; rawValue: unknown }
  | { type: 'finish'; usage: AnswerUsage; finishReason: AnswerFinish }
  | { type: 'error'; error: unknown }

/** The engine's model as a language model of the AI SDK. */
export class QuireLanguageModel<Version extends SpecificationVersion> {
  /** The version of the AI SDK's specification that it is written for. */
  readonly specificationVersion: Version
  /** Who provides it, in results and traces. */
  readonly provider = 'quire'
  /** What results call the model. */
  readonly modelId: string
  /** None: the model reads text only. */
  readonly supportedUrls: Record<string, RegExp[]> = {}
  readonly #chat: Chat

  constructor(chat: Chat, modelId: string, specificationVersion: Version) {
    this.#chat = chat
    this.modelId = modelId
    this.specificationVersion = specificationVersion
  }

  /** @throws UnsupportedFunctionalityError, and the engine's errors. */
  async doGenerate(options: CallOptions): Promise<GenerateResult> {
    const { input, warnings } = toChatInput(options)
    const result = await this.#chat.complete(input)
    const [choice] = result.choices
    return {
      content: contentOf(result),
      finishReason: finishOf(choice?.finish ?? null, choice?.toolCalls.length ?? 0),
      usage: usageOf(result.usage),
      warnings,
      response: this.#metadata(),
    }
  }

  /** Cancelling the stream ends the turn. @throws as `doGenerate`. */
  async doStream(options: CallOptions): Promise<{ stream: ReadableStream<LanguageModelStreamPart> }> {
    const { input, warnings } = toChatInput(options)
    const turn = await this.#chat.start(input)
    const begin: LanguageModelStreamPart[] = [
      { type: 'stream-start', warnings },
      { type: 'response-metadata', ...this.#metadata() },
    ]
    return { stream: streamOf(turn, begin) }
  }

  #metadata(): ResponseMetadata {
    return { id: randomId(), timestamp: new Date(), modelId: this.modelId }
  }
}

/** Of 128 bits; `crypto.randomUUID` is missing on pages without TLS. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Parts are made when they are wanted: what a slow reader leaves lying is merged by the engine. */
function streamOf(turn: ChatTurn, begin: readonly LanguageModelStreamPart[]): ReadableStream<LanguageModelStreamPart> {
  const parts = new StreamParts()
  let finish: ChatFinish | null = null
  let wake: (() => void) | undefined
  return new ReadableStream<LanguageModelStreamPart>(
    {
      start: controller => {
        turn.onNews(() => wake?.())
        for (const part of begin) controller.enqueue(part)
      },
      pull: async controller => {
        for (;;) {
          const { ended } = turn
          const news = turn.take()
          for (const one of news) finish = one.finish ?? finish
          const made = news.flatMap(one => one.parts.flatMap(part => parts.of(part)))
          for (const part of made) controller.enqueue(part)
          if (made.length > 0) return
          if (ended) break
          await new Promise<void>(resolve => {
            wake = resolve
            if (turn.ended) resolve()
          })
        }
        if (turn.error === undefined) {
          for (const part of parts.end()) controller.enqueue(part)
          const finishReason = finishOf(finish, parts.numCalls)
          controller.enqueue({ type: 'finish', usage: usageOf(turn.usage()), finishReason })
        } else controller.enqueue({ type: 'error', error: turn.error })
        controller.close()
      },
      cancel: () => turn.abort(),
    },
    { highWaterMark: 0 },
  )
}
