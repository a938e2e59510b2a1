// Variables of chat templates whose names are other people's.

import type { ReasoningEffort } from '../chat/chat-request.js'

/** How templates are told to think: by how much, and whether at all. */
export function reasoningVariables(effort: ReasoningEffort): Readonly<Record<string, unknown>> {
  return { reasoning_effort: effort, enable_thinking: effort !== 'none' }
}
