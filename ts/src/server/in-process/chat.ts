// Chats without HTTP: the turns that the endpoints run, with tools, reasoning and structured output, for programs in the
// process of the engine.

import { check } from '../../config/check.js'
import type { SamplingOptions } from '../../config/index.js'
import { checkMessages, type Engine, randomId } from '../../engine/index.js'
import { InvalidArgumentError, PromptError } from '../../errors.js'
import type { ChatResult, ChatTurn } from '../chat/chat-event.js'
import type { ChatRequest, ChatTool, ReasoningEffort } from '../chat/chat-request.js'
import { runChatTurn, startChatTurn } from '../chat/start-chat-turn.js'
import { toTemplateMessages } from '../protocol/conversation-messages.js'
import { RequestError } from '../request-error.js'
import type { RouteRequest } from '../route.js'
import type { GenerationContext } from '../server-context.js'
import type { ToolChoice } from '../tools/index.js'
import { chatContext } from './chat-context.js'
import type { ConversationMessage } from './conversation.js'

/** Who reads the model's answers. */
export interface ChatOptions {
  /** Name of the parser of tool calls. Default: as the chat template shows. */
  readonly toolCallParser?: string
  /** Name of the parser of reasoning, or `none`. Default: as the chat template shows. */
  readonly reasoningParser?: string
}

/** One turn: what was said, and what the model may answer with. */
export interface ChatInput {
  /** The conversation so far. */
  readonly messages: readonly ConversationMessage[]
  /** Functions that the model may call. */
  readonly tools?: readonly ChatTool[]
  /** Default `auto` with tools, else `none`. */
  readonly toolChoice?: ToolChoice
  /** False: at most one call. Default true. */
  readonly parallelToolCalls?: boolean
  /** Laid over the model's own defaults. Without `maxTokens`: as much as fits. */
  readonly sampling?: SamplingOptions
  /** Default: the template's own. */
  readonly reasoningEffort?: ReasoningEffort
  /**
   * Most tokens of reasoning: then the mark that ends it is written, and the answer begins. 0 = no reasoning. Default: as many as
   * it takes. Needs a reasoning parser.
   */
  readonly thinkingTokenBudget?: number
  /** Further variables of the chat template. */
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>>
  /** Ends the turn; its blocks are free within one step. */
  readonly signal?: AbortSignal
}

/** A way to chat with the model of `engine`, which stays the caller's. Make one and keep it. */
export class Chat {
  readonly #context: GenerationContext

  /** @throws InvalidArgumentError for a parser that there is not. */
  constructor(engine: Engine, { toolCallParser, reasoningParser }: ChatOptions = {}) {
    this.#context = chatContext(engine, {
      ...(toolCallParser !== undefined && { toolCallParser }),
      ...(reasoningParser !== undefined && { reasoningParser }),
    })
  }

  /**
   * Begins a turn whose pieces come as the model says them.
   * @throws InvalidArgumentError, PromptError, ChatTemplateError, TokenizerError, RequestAbortedError, EngineClosedError.
   */
  start(input: ChatInput): Promise<ChatTurn> {
    return this.#run(input, true, startChatTurn)
  }

  /** A turn from its beginning to its end. @throws as `start`. */
  complete(input: ChatInput): Promise<ChatResult> {
    return this.#run(input, false, async (request, route, context) => {
      return (await runChatTurn(request, route, context)).result
    })
  }

  async #run<Result>(
    input: ChatInput,
    stream: boolean,
    run: (request: ChatRequest, route: RouteRequest, context: GenerationContext) => Promise<Result>,
  ): Promise<Result> {
    const { messages, signal, chatTemplateKwargs, ...rest } = check.object('input', input)
    checkMessages(messages)
    const route: RouteRequest = {
      requestId: `chat-${randomId()}`,
      headers: new Headers(),
      params: {},
      query: new URLSearchParams(),
      body: {},
      signal: check.optional(check.signal, 'signal', signal) ?? new AbortController().signal,
    }
    const request: ChatRequest = {
      ...rest,
      requestId: route.requestId,
      messages: toTemplateMessages(messages),
      stream,
      ...(chatTemplateKwargs !== undefined && { prompt: { chatTemplateKwargs } }),
    }
    try {
      return await run(request, route, this.#context)
    } catch (error) {
      throw error instanceof RequestError ? withoutStatus(error) : error
    }
  }
}

/** Here nobody asked by HTTP. */
function withoutStatus(error: RequestError): Error {
  const { message, code, param } = error
  if (code === 'context_length_exceeded') return new PromptError('ERR_PROMPT_TOO_LONG', message, { cause: error })
  return new InvalidArgumentError(param ?? 'input', message)
}
