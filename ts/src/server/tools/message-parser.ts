// One parser for a whole answer: reasoning is taken off first, and what is left is read for tool calls.

import type { ReasoningEvent, ReasoningParser } from '../reasoning/index.js'
import type { ToolEvent, ToolParser } from './tool-parser.js'

/** Pieces of an answer, in the order of the text. */
export type MessageEvent = ReasoningEvent | ToolEvent

export interface MessageParser {
  push(delta: string): readonly MessageEvent[]
  finish(): readonly MessageEvent[]
}

/** Without parts, everything is content. */
export function createMessageParser(parts: {
  readonly reasoning?: ReasoningParser
  readonly tools?: ToolParser
}): MessageParser {
  const { reasoning, tools } = parts
  const read = (events: readonly ReasoningEvent[]): MessageEvent[] =>
    tools === undefined
      ? [...events]
      : events.flatMap((event): readonly MessageEvent[] =>
          event.kind === 'content' ? tools.push(event.text) : [event],
        )
  const contentOf = (text: string): readonly ReasoningEvent[] => (text === '' ? [] : [{ kind: 'content', text }])
  return {
    push: delta => read(reasoning === undefined ? contentOf(delta) : reasoning.push(delta)),
    finish: () => [...read(reasoning?.finish() ?? []), ...(tools?.finish() ?? [])],
  }
}
