// Messages of a conversation as requests spell them, and as chat templates want them: contents are text or parts of text,
// arguments of tool calls are values.

import { z } from 'zod'
import type { ChatMessage } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import { list } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { optional } from './optional-field.js'

const part = z.union(
  [
    z.string(),
    object(z.looseObject({ type: optional(z.string()), text: optional(z.string()), refusal: optional(z.string()) })),
  ],
  { error: 'a part of text' },
)

const toolCall = object(
  z.looseObject({
    id: optional(z.string()),
    type: optional(z.string()),
    function: object(
      z.looseObject({
        name: z.string(),
        arguments: optional(z.union([z.string(), anyObject()], { error: 'JSON of an object' })),
      }),
    ),
  }),
)

const message = object(
  z.looseObject({
    role: z.string().min(1),
    content: optional(z.union([z.string(), list(part, { max: 16_384 })], { error: 'a string or a list of parts' })),
    name: optional(z.string()),
    tool_calls: optional(list(toolCall, { max: 4096 })),
    tool_call_id: optional(z.string()),
    reasoning: optional(z.string()),
    reasoning_content: optional(z.string()),
  }),
)

export const messagesSchema = list(message, { min: 1, max: 16_384 })

type Message = z.output<typeof message>
type Part = z.output<typeof part>

/** @throws RequestError 400 for parts that are no text, naming the part. */
export function toChatMessages(messages: readonly Message[]): readonly ChatMessage[] {
  return messages.map((given, index): ChatMessage => {
    const { role, content, tool_calls: toolCalls, reasoning, reasoning_content: further, ...rest } = given
    const thought = reasoning ?? further
    const present = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null)
    return {
      ...Object.fromEntries(present),
      role,
      content: content === undefined || typeof content === 'string' ? (content ?? '') : toParts(content, index),
      ...(toolCalls !== undefined && toolCalls.length > 0 && { tool_calls: toolCalls.map(toTemplateCall) }),
      ...(thought !== undefined && { reasoning: thought, reasoning_content: thought }),
    }
  })
}

function toParts(parts: readonly Part[], messageIndex: number): { type: string; text: string }[] {
  return parts.map((given, index) => {
    const text = textOf(given)
    if (text !== undefined) return { type: 'text', text }
    const param = `messages[${messageIndex}].content[${index}]`
    const type = (given as { type?: string }).type ?? 'without a type'
    const message = `${param} is of type ${type}, but this model reads text only.`
    throw RequestError.badRequest(message, param)
  })
}

function textOf(given: Part): string | undefined {
  if (typeof given === 'string') return given
  const { type = 'text', text, refusal } = given
  if (['text', 'input_text', 'output_text'].includes(type)) return text
  return type === 'refusal' ? refusal : undefined
}

/** Templates write arguments as JSON themselves. What is no JSON object stays as the model once wrote it. */
function toTemplateCall({ id, function: called, ...rest }: z.output<typeof toolCall>) {
  return {
    ...rest,
    ...(id !== undefined && { id }),
    type: 'function',
    function: { ...called, arguments: argumentsOf(called.arguments) },
  }
}

function argumentsOf(given: string | Readonly<Record<string, unknown>> | undefined): unknown {
  if (typeof given !== 'string') return given ?? {}
  if (given.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(given)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : given
  } catch {
    return given
  }
}
