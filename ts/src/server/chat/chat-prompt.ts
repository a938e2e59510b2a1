// From the messages of a turn to ids: the chat template writes them, the tokenizer reads them, and what is too long is cut.

import type { ChatMessage } from '../../engine/index.js'
import { truncated } from '../generation/prompt-tokens.js'
import { keptText, refuseHopelessTexts } from '../generation/text-length.js'
import { toTemplateTools } from '../protocol/chat-tools.js'
import { reasoningVariables } from '../protocol/template-variables.js'
import { RequestError } from '../request-error.js'
import type { GenerationContext } from '../server-context.js'
import type { ChatPrompt } from './chat-event.js'
import type { ChatRequest } from './chat-request.js'

/** What rendering needs of a turn. */
export type RenderedTurn = Pick<ChatRequest, 'messages' | 'tools' | 'toolChoice' | 'prompt' | 'reasoningEffort'> & {
  /** Tokens that the output is to have, where they are known. */
  readonly outputTokens?: number | undefined
}

/**
 * What waits for its turn to be rendered or tokenized is dropped when `signal` is aborted.
 * @throws RequestError, ChatTemplateError, TokenizerError, RequestAbortedError.
 */
export async function renderPrompt(
  turn: RenderedTurn,
  context: GenerationContext,
  signal: AbortSignal,
): Promise<ChatPrompt> {
  const { engine, config } = context
  const options = turn.prompt ?? {}
  if (options.chatTemplate !== undefined && !config.endpoints.trustRequestChatTemplate) {
    throw RequestError.badRequest('Templates of requests are not allowed by this server.', 'chat_template')
  }
  const source = templateSource(turn, context)
  // Tools that must not be called are not offered either.
  const tools = turn.toolChoice === 'none' ? [] : (turn.tools ?? [])
  const { continueFinalMessage = false, addGenerationPrompt = !continueFinalMessage } = options
  const { truncation } = options
  if (truncation === undefined) refuseHopelessTexts(turn.messages.map(lengthiest), 'messages', context)
  const rendered = await engine.renderLongChat(
    toTemplate(turn.messages, source, config.endpoints.chatTemplateContentFormat),
    {
      addGenerationPrompt: addGenerationPrompt && !continueFinalMessage,
      continueFinalMessage,
      ...(tools.length > 0 && { tools: toTemplateTools(tools) }),
      ...(options.documents !== undefined && { documents: options.documents }),
      ...(options.chatTemplate !== undefined && { chatTemplate: options.chatTemplate }),
      chatTemplateKwargs: {
        ...(turn.reasoningEffort !== undefined && reasoningVariables(turn.reasoningEffort)),
        ...options.chatTemplateKwargs,
      },
    },
    signal,
  )
  if (truncation === undefined) refuseHopelessTexts([rendered], 'messages', context)
  const text = truncation === undefined ? rendered : keptText(rendered, truncation, engine)
  const [ids = new Int32Array(0)] = await engine.encode([text], options.addSpecialTokens ?? false, signal)
  if (truncation === undefined) return { text, tokenIds: ids }
  const kept = truncated(ids, truncation, {
    maxModelLen: engine.maxModelLen,
    outputTokens: turn.outputTokens ?? 1,
  })
  return { text: kept.length === ids.length ? text : engine.decode(kept, false), tokenIds: kept }
}

/** The longest text of a message: templates print it, whatever else they print. */
function lengthiest({ content }: ChatMessage): string {
  const texts = typeof content === 'string' ? [content] : (content ?? []).map(({ text }) => String(text ?? ''))
  return texts.reduce((longest, text) => (text.length > longest.length ? text : longest), '')
}

/** The template that this turn is rendered by. */
export function templateSource({ prompt, tools = [] }: RenderedTurn, { engine }: GenerationContext): string {
  return prompt?.chatTemplate ?? engine.chatTemplateSource(tools.length > 0)
}

/** A template that walks through the parts of a content, rather than printing it. */
const WALKS_PARTS = /\bfor\s+\w+\s+in\s+\w+(?:\.content|\[\s*['"]content['"]\s*\])/

/** Contents in the form that the template reads, and roles that it knows. */
function toTemplate(
  messages: readonly ChatMessage[],
  source: string,
  format: 'auto' | 'string' | 'openai',
): readonly ChatMessage[] {
  const asParts = format === 'openai' || (format === 'auto' && WALKS_PARTS.test(source))
  const knowsDeveloper = source.includes('developer')
  return messages.map(message => {
    const { role, content } = message
    return {
      ...message,
      role: role === 'developer' && !knowsDeveloper ? 'system' : role,
      content: asParts ? toParts(content, format === 'openai') : toText(content),
    }
  })
}

type Content = ChatMessage['content']

function toText(content: Content): string {
  if (content === undefined || content === null) return ''
  return typeof content === 'string' ? content : content.map(({ text }) => String(text ?? '')).join('\n')
}

/** Text stays text where it may: templates that walk through parts mostly ask first. */
function toParts(content: Content, always: boolean): Content {
  if (typeof content !== 'string') return content ?? ''
  return always ? [{ type: 'text', text: content }] : content
}
