// What a caller may pass as a prompt, and its one normal form.

import { InvalidArgumentError } from '../errors.js'

/** Text of a message, or parts of text. */
export type MessageContent = string | null | readonly { readonly type: string; readonly [key: string]: unknown }[]

/** One message of a conversation, as the chat template sees it: further fields (tool_calls, name, ...) pass through. */
export interface ChatMessage {
  /** Who says it: `system`, `user`, `assistant`, `tool`, or what the template knows. */
  readonly role: string
  /** What is said. */
  readonly content?: MessageContent
  readonly [key: string]: unknown
}

/** Text, token ids, a conversation; or one of them with a cache salt. */
export type Prompt =
  | string
  | readonly number[]
  | Int32Array
  | { readonly prompt: string; readonly cacheSalt?: string }
  | { readonly promptTokenIds: readonly number[] | Int32Array; readonly prompt?: string; readonly cacheSalt?: string }
  | { readonly messages: readonly ChatMessage[]; readonly cacheSalt?: string }

/** The normal form: exactly one of text, ids and messages decides what is computed. */
export type NormalPrompt = { readonly cacheSalt?: string } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: ArrayLike<number>; readonly text?: string }
  | { readonly kind: 'messages'; readonly messages: readonly ChatMessage[] }
)

/** True if `value` is one prompt rather than a list of prompts: a list of numbers is one prompt. */
export function isSinglePrompt(value: Prompt | readonly Prompt[]): value is Prompt {
  return !Array.isArray(value) || typeof value[0] === 'number'
}

/** @throws InvalidArgumentError for anything that is not a prompt. */
export function normalizePrompt(prompt: Prompt): NormalPrompt {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt }
  if (prompt instanceof Int32Array || Array.isArray(prompt)) return { kind: 'ids', ids: prompt as ArrayLike<number> }
  if (typeof prompt !== 'object' || prompt === null) throw notAPrompt(prompt)
  const { cacheSalt } = prompt as { cacheSalt?: unknown }
  if (cacheSalt !== undefined && (typeof cacheSalt !== 'string' || cacheSalt === '')) {
    throw new InvalidArgumentError('cacheSalt', 'cacheSalt must be a string that is not empty.', cacheSalt)
  }
  const salt = cacheSalt === undefined ? {} : { cacheSalt }
  if ('messages' in prompt) return { kind: 'messages', messages: checkMessages(prompt.messages), ...salt }
  if ('promptTokenIds' in prompt) {
    const { promptTokenIds: ids, prompt: text } = prompt
    if (!(ids instanceof Int32Array) && !Array.isArray(ids)) throw notAPrompt(prompt)
    return { kind: 'ids', ids, ...(typeof text === 'string' && { text }), ...salt }
  }
  if ('prompt' in prompt && typeof prompt.prompt === 'string') return { kind: 'text', text: prompt.prompt, ...salt }
  throw notAPrompt(prompt)
}

/** @throws InvalidArgumentError if it is not a list of messages with roles. */
export function checkMessages(messages: unknown): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new InvalidArgumentError('messages', 'messages must be a list with at least one message.', messages)
  }
  for (const message of messages as readonly Partial<ChatMessage>[]) {
    if (typeof message?.role !== 'string') {
      throw new InvalidArgumentError('messages', 'Every message must be an object with a `role` (a string).', messages)
    }
  }
  return messages as readonly ChatMessage[]
}

function notAPrompt(value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    'prompt',
    'A prompt is a string, a list of token ids, or an object with `prompt`, `promptTokenIds` or `messages`.',
    value,
  )
}
