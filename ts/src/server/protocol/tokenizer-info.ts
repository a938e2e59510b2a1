// What `/tokenizer_info` replies: tokenizer_config.json as clients read it, with special tokens as texts and no path of the host.

import { z } from 'zod'

export const tokenizerInfoSchema = z
  .looseObject({ tokenizer_class: z.string(), chat_template: z.string().optional() })
  .describe("The tokenizer's own configuration: its class, its special tokens, the chat template.")

/** Files and folders, which are the host's, and what the engine knows better. */
const left = new Set([
  'name_or_path',
  'vocab_file',
  'merges_file',
  'tokenizer_file',
  'special_tokens_map_file',
  'chat_template',
])

/** @param chatTemplate that conversations without tools are rendered by; undefined if there is none. */
export function tokenizerInfoBody(config: Readonly<Record<string, unknown>>, chatTemplate: string | undefined) {
  const kept = Object.entries(config).filter(([name]) => !left.has(name))
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(kept.map(([name, value]) => [name, name.endsWith('_token') ? textOf(value) : value])),
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
  }
}

/** A token is written as a text, or as an object with its text and flags. */
function textOf(token: unknown): unknown {
  const content = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : undefined
  return typeof content === 'string' ? content : token
}
