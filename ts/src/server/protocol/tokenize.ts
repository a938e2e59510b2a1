// The bodies of /tokenize and /detokenize.

import { z } from 'zod'
import type { RenderedTurn } from '../chat/chat-prompt.js'
import { chatPromptFields, checkGenerationPrompt, toPromptOptions } from './chat-completion-request.js'
import { toChatMessages } from './chat-messages.js'
import { toChatTools, toolsSchema } from './chat-tools.js'
import { tokenIds } from './list-field.js'
import { defaulted, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'

const textSchema = z.looseObject({
  model: optional(z.string()),
  prompt: z.string(),
  add_special_tokens: defaulted(z.boolean(), true),
  return_token_strs: defaulted(z.boolean(), false),
})

const chatSchema = z.looseObject({
  model: optional(z.string()),
  ...chatPromptFields,
  tools: optional(toolsSchema),
  return_token_strs: defaulted(z.boolean(), false),
})

/** Text, or messages. */
export const tokenizeRequestSchema = z.union([textSchema, chatSchema])

export const tokenizeResponseSchema = z.object({
  count: z.int(),
  max_model_len: z.int(),
  tokens: z.array(z.int()),
  token_strs: z.array(z.string()).nullable(),
})

export const detokenizeRequestSchema = z.looseObject({
  model: optional(z.string()),
  tokens: tokenIds({ max: 10_000_000 }),
})

export const detokenizeResponseSchema = z.object({ prompt: z.string() })

export type TokenizeRequest = { readonly model: string | undefined; readonly tokenStrings: boolean } & (
  | { readonly kind: 'text'; readonly text: string; readonly addSpecialTokens: boolean }
  | { readonly kind: 'chat'; readonly turn: RenderedTurn }
)

/** @throws RequestError 400 naming the field. */
export function parseTokenizeRequest(body: Readonly<Record<string, unknown>>): TokenizeRequest {
  if (body.messages === undefined || body.messages === null) {
    const fields = parseBody(textSchema, body)
    return {
      kind: 'text',
      model: fields.model,
      tokenStrings: fields.return_token_strs,
      text: fields.prompt,
      addSpecialTokens: fields.add_special_tokens,
    }
  }
  const fields = parseBody(chatSchema, body)
  checkGenerationPrompt(fields)
  return {
    kind: 'chat',
    model: fields.model,
    tokenStrings: fields.return_token_strs,
    turn: {
      messages: toChatMessages(fields.messages),
      tools: toChatTools(fields.tools ?? []),
      prompt: toPromptOptions(fields),
    },
  }
}

/** @throws RequestError 400 naming the field. */
export function parseDetokenizeRequest(body: Readonly<Record<string, unknown>>): {
  readonly model: string | undefined
  readonly ids: number[]
} {
  const { model, tokens } = parseBody(detokenizeRequestSchema, body)
  return { model, ids: tokens }
}
