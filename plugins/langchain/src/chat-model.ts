// A chat model of LangChain over an engine in this process.

import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager'
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from '@langchain/core/language_models/base'
import {
  BaseChatModel,
  type BaseChatModelParams,
  type BindToolsInput,
} from '@langchain/core/language_models/chat_models'
import {
  assembleStructuredOutputPipeline,
  createContentParser,
  createFunctionCallingParser,
} from '@langchain/core/language_models/structured_output'
import type { AIMessageChunk, BaseMessage } from '@langchain/core/messages'
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs'
import type { Runnable } from '@langchain/core/runnables'
import { toJsonSchema } from '@langchain/core/utils/json_schema'
import type { SerializableSchema } from '@langchain/core/utils/standard_schema'
import type { InteropZodType } from '@langchain/core/utils/types'
import type { Engine, LLM, SamplingOptions } from 'quire-llm'
import { Chat, type ChatFinish, type ChatOptions, type ChatTurn } from 'quire-llm/server'
import { type ChatQuireCallOptions, callKeys, forcedCall, toInput, tracedAs } from './call-options.js'
import { metadataOf, toChunk, toConversation, toLastChunk, toMessage } from './messages.js'

/** What a chat model runs on, and what holds for all of its calls. */
export interface ChatQuireFields extends BaseChatModelParams, ChatOptions {
  /** What runs the model. It stays the caller's, who closes it. */
  readonly engine: Engine | LLM
  /** What messages say of the model. Default `quire`. */
  readonly model?: string
  /** For every call; laid over the model's own defaults. */
  readonly sampling?: SamplingOptions
}

// biome-ignore lint/suspicious/noExplicitAny: LangChain's own bound of what a schema may describe.
type Output = Record<string, any>

type OutputSchema<RunOutput extends Output> = InteropZodType<RunOutput> | SerializableSchema<RunOutput> | Output

interface RawAndParsed<RunOutput> {
  raw: BaseMessage
  parsed: RunOutput
}

/** The engine's model as a chat model of LangChain. */
export class ChatQuire extends BaseChatModel<ChatQuireCallOptions, AIMessageChunk> {
  /** What messages say of the model. */
  readonly model: string
  /** For every call; laid over the model's own defaults. */
  readonly sampling: SamplingOptions
  readonly #chat: Chat

  /** @throws InvalidArgumentError for a parser that there is not. */
  constructor({ engine, model = 'quire', sampling = {}, toolCallParser, reasoningParser, ...fields }: ChatQuireFields) {
    super(fields)
    this.model = model
    this.sampling = sampling
    this.#chat = new Chat('engine' in engine ? engine.engine : engine, {
      ...(toolCallParser !== undefined && { toolCallParser }),
      ...(reasoningParser !== undefined && { reasoningParser }),
    })
  }

  /** Names of the options that a call may have. */
  override get callKeys(): string[] {
    return [...super.callKeys, ...callKeys]
  }

  /** What LangChain calls this kind of model. */
  override _llmType(): string {
    return 'quire'
  }

  override invocationParams(options: this['ParsedCallOptions']): object {
    const { signal: _, ...input } = toInput(options, this.sampling)
    return { model: this.model, ...input }
  }

  /** What traces say of the model. */
  override getLsParams(options: this['ParsedCallOptions']): ReturnType<BaseChatModel['getLsParams']> {
    return { ...super.getLsParams(options), ...tracedAs(this.model) }
  }

  override bindTools(
    tools: BindToolsInput[],
    options: Partial<ChatQuireCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatQuireCallOptions> {
    return this.withConfig({ tools, ...options })
  }

  /** @throws InvalidArgumentError, PromptError, ChatTemplateError, RequestAbortedError, EngineClosedError. */
  override async _generate(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const input = { messages: toConversation(messages), ...toInput(options, this.sampling) }
    const { choices, usage } = await this.#chat.complete(input)
    const [first] = choices
    await runManager?.handleLLMNewToken(first?.content ?? '')
    const generations = choices.map(choice => {
      const message = toMessage(choice, usage, this.model)
      return { text: choice.content ?? '', message, generationInfo: metadataOf(message) }
    })
    const { promptTokens, completionTokens } = usage
    const tokenUsage = { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens }
    return { generations, llmOutput: { tokenUsage } }
  }

  /** Breaking the loop ends the turn. @throws as `_generate`. */
  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const turn = await this.#chat.start({ messages: toConversation(messages), ...toInput(options, this.sampling) })
    try {
      for await (const message of chunksOf(turn, this.model)) {
        const text = typeof message.content === 'string' ? message.content : ''
        const chunk = new ChatGenerationChunk({ message, text, generationInfo: metadataOf(message) })
        yield chunk
        await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk })
      }
    } finally {
      turn.abort()
    }
  }

  /** By the grammar of the schema, unless `method` is `functionCalling` or `jsonMode`. */
  override withStructuredOutput<RunOutput extends Output = Output>(
    outputSchema: OutputSchema<RunOutput>,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, RunOutput>
  override withStructuredOutput<RunOutput extends Output = Output>(
    outputSchema: OutputSchema<RunOutput>,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, RawAndParsed<RunOutput>>
  override withStructuredOutput<RunOutput extends Output = Output>(
    outputSchema: OutputSchema<RunOutput>,
    config: StructuredOutputMethodOptions<boolean> = {},
  ): Runnable<BaseLanguageModelInput, RunOutput> | Runnable<BaseLanguageModelInput, RawAndParsed<RunOutput>> {
    const { method = 'jsonSchema', includeRaw, name = 'extract' } = config
    const json: Output = toJsonSchema(outputSchema)
    if (method === 'functionCalling') {
      const tool = { type: 'function', function: { name, description: description(json), parameters: json } }
      const parser = createFunctionCallingParser<RunOutput>(outputSchema, name)
      return assembleStructuredOutputPipeline(this.bindTools([tool], forcedCall(name)), parser, includeRaw)
    }
    const sampling: SamplingOptions = {
      structuredOutputs: method === 'jsonMode' ? { jsonObject: true } : { json },
    }
    const parser = createContentParser<RunOutput>(outputSchema)
    return assembleStructuredOutputPipeline(this.withConfig({ sampling }), parser, includeRaw)
  }
}

function description(schema: Output): string {
  return typeof schema.description === 'string' ? schema.description : 'Gives the answer.'
}

async function* chunksOf(turn: ChatTurn, model: string): AsyncGenerator<AIMessageChunk> {
  let wake: (() => void) | undefined
  let finish: ChatFinish | null = null
  turn.onNews(() => wake?.())
  for (;;) {
    const { ended } = turn
    const news = turn.take()
    for (const one of news) {
      finish = one.finish ?? finish
      for (const part of one.parts) yield toChunk(part)
    }
    if (news.length > 0) continue
    if (ended) break
    await new Promise<void>(resolve => {
      wake = resolve
      if (turn.ended) resolve()
    })
  }
  if (turn.error !== undefined) throw turn.error
  yield toLastChunk(finish, turn.usage(), model)
}
