// Prompts of any kind to token ids: conversations are rendered, then all texts are tokenized in one call for each kind.

import type { RenderOptions } from '../binding/index.js'
import type { NormalPrompt } from './prompt.js'

/** A prompt as the engine takes it. */
export interface PreparedPrompt {
  readonly ids: ArrayLike<number>
  /** Its text, where it was given as text or messages. */
  readonly text?: string
  readonly cacheSalt?: string
}

/** What turns text into ids and messages into text. */
interface TextSource {
  encode(texts: readonly string[], addSpecialTokens: boolean, signal?: AbortSignal): Promise<Int32Array[]>
  renderLongChat(messages: readonly unknown[], options: RenderOptions, signal?: AbortSignal): Promise<string>
}

/** In the order of the prompts. @throws TokenizerError, ChatTemplateError, RequestAbortedError. */
export async function preparePrompts(
  source: TextSource,
  prompts: readonly NormalPrompt[],
  options: RenderOptions,
  signal?: AbortSignal,
): Promise<PreparedPrompt[]> {
  const texts = await Promise.all(
    prompts.map(prompt =>
      prompt.kind === 'messages' ? source.renderLongChat(prompt.messages, options, signal) : prompt.text,
    ),
  )
  const plain = await encodeKind(source, prompts, texts, 'text', signal)
  const chats = await encodeKind(source, prompts, texts, 'messages', signal)
  return prompts.map((prompt, index) => ({
    ids: prompt.kind === 'ids' ? prompt.ids : ((plain.get(index) ?? chats.get(index)) as Int32Array),
    ...(texts[index] !== undefined && { text: texts[index] }),
    ...(prompt.cacheSalt !== undefined && { cacheSalt: prompt.cacheSalt }),
  }))
}

/** Ids of the prompts of one kind, by index. A template writes the special tokens itself. */
async function encodeKind(
  source: TextSource,
  prompts: readonly NormalPrompt[],
  texts: readonly (string | undefined)[],
  kind: 'text' | 'messages',
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, Int32Array>> {
  const indices = [...prompts.keys()].filter(index => prompts[index]?.kind === kind)
  if (indices.length === 0) return new Map()
  const ids = await source.encode(
    indices.map(index => texts[index] as string),
    kind === 'text',
    signal,
  )
  return new Map(indices.map((index, at) => [index, ids[at] as Int32Array]))
}
