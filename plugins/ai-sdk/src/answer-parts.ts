// What a turn gives back, in the AI SDK's parts: whole, and as they stream.

import type { ChatFinish, ChatPart, ChatResult, ChatUsage } from 'quire-llm/server'

export type AnswerContent =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'tool-call'; toolCallId: string; toolName: string; input: string }

export interface AnswerFinish {
  unified: 'stop' | 'length' | 'tool-calls' | 'error' | 'other'
  raw: string | undefined
}

export interface AnswerUsage {
  inputTokens: { total: number; noCache: number; cacheRead: number; cacheWrite: undefined }
  outputTokens: { total: number; text: number; reasoning: number }
}

export type AnswerStreamPart =
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end' | 'tool-input-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; id: string; toolName: string }
  | { type: 'tool-call'; toolCallId: string; toolName: string; input: string }

export function contentOf({ choices: [choice] }: ChatResult): AnswerContent[] {
  const { reasoning = null, content = null, toolCalls = [] } = choice ?? {}
  return [
    ...(reasoning === null ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
    ...(content === null || content === '' ? [] : [{ type: 'text' as const, text: content }]),
    ...toolCalls.map(call => ({
      type: 'tool-call' as const,
      toolCallId: call.id,
      toolName: call.name,
      input: call.arguments,
    })),
  ]
}

export function finishOf(finish: ChatFinish | null, numCalls: number): AnswerFinish {
  const raw = finish?.reason
  if (raw === 'length') return { unified: 'length', raw }
  if (raw === 'toolCalls' || (raw === 'stop' && numCalls > 0)) return { unified: 'tool-calls', raw }
  if (raw === 'stop') return { unified: 'stop', raw }
  return { unified: raw === 'error' ? 'error' : 'other', raw }
}

export function usageOf({ promptTokens, completionTokens, cachedTokens, reasoningTokens }: ChatUsage): AnswerUsage {
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: completionTokens,
      text: completionTokens - reasoningTokens,
      reasoning: reasoningTokens,
    },
  }
}

interface OpenCall {
  readonly id: string
  readonly name: string
  input: string
}

/** Turns pieces of an answer into stream parts: blocks of text and reasoning have a begin and an end, calls come whole too. */
export class StreamParts {
  #block: { readonly kind: 'text' | 'reasoning'; readonly id: string } | undefined
  #call: OpenCall | undefined
  #numBlocks = 0
  numCalls = 0

  of(part: ChatPart): AnswerStreamPart[] {
    if (part.kind === 'call') {
      this.numCalls += 1
      const { id, name } = part
      const parts = this.end()
      this.#call = { id, name, input: '' }
      return [...parts, { type: 'tool-input-start', id, toolName: name }]
    }
    if (part.kind === 'arguments') {
      if (this.#call === undefined) return []
      this.#call.input += part.text
      return [{ type: 'tool-input-delta', id: this.#call.id, delta: part.text }]
    }
    const kind = part.kind === 'content' ? 'text' : 'reasoning'
    if (this.#block?.kind === kind) return [{ type: `${kind}-delta`, id: this.#block.id, delta: part.text }]
    const parts = this.end()
    const id = String(this.#numBlocks)
    this.#numBlocks += 1
    this.#block = { kind, id }
    return [...parts, { type: `${kind}-start`, id }, { type: `${kind}-delta`, id, delta: part.text }]
  }

  /** Ends what is open. */
  end(): AnswerStreamPart[] {
    const block = this.#block
    const call = this.#call
    this.#block = undefined
    this.#call = undefined
    if (block !== undefined) return [{ type: `${block.kind}-end`, id: block.id }]
    if (call === undefined) return []
    const { id, name, input } = call
    return [
      { type: 'tool-input-end', id },
      { type: 'tool-call', toolCallId: id, toolName: name, input },
    ]
  }
}
