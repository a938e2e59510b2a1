// The conversation that a response answers: what an earlier response ended with, and what this request adds.

import { renderPrompt } from '../chat/chat-prompt.js'
import type { ChatRequest } from '../chat/chat-request.js'
import { checkCalls, messagesOf } from '../protocol/responses-conversation.js'
import type { InputItem } from '../protocol/responses-input-items.js'
import type { ResponsesRequest } from '../protocol/responses-request.js'
import { RequestError } from '../request-error.js'
import type { ServerContext } from '../server-context.js'
import { conversationOf, type ResponseStore } from './response-store.js'

/** @throws RequestError 400 for a response or an item that is not kept, and for a result without its call. */
export function itemsFor({ previousResponseId, input }: ResponsesRequest, store: ResponseStore): readonly InputItem[] {
  const before = previousResponseId === undefined ? [] : earlierItems(previousResponseId, store)
  const given = input.map((item, index): InputItem => {
    if (item.type !== 'item_reference') return item
    const found = store.item(item.id) ?? before.find(({ id }) => id === item.id)
    if (found !== undefined) return found
    throw RequestError.badRequest(`Item with id '${item.id}' not found.`, `input[${index}].id`)
  })
  checkCalls(before, given)
  return [...before, ...given]
}

function earlierItems(id: string, store: ResponseStore): readonly InputItem[] {
  const kept = store.get(id)
  const param = 'previous_response_id'
  if (kept === undefined) {
    throw RequestError.badRequest(`Previous response with id '${id}' not found.`, param, 'previous_response_not_found')
  }
  if (kept.run !== undefined && !kept.run.ended) {
    throw RequestError.badRequest(`Previous response with id '${id}' has not ended yet.`, param)
  }
  return conversationOf(kept)
}

/** What part of the context an answer has where its length is not asked for and older messages are dropped for it. */
const ANSWER_PART = 1 / 8

/** The messages of a turn; the oldest are dropped if the request wishes so and they do not fit. */
export async function messagesFor(
  request: ResponsesRequest,
  items: readonly InputItem[],
  context: ServerContext,
  signal: AbortSignal,
): Promise<ChatRequest['messages']> {
  const messages = messagesOf(items, request.instructions)
  if (!request.dropsOldest) return messages
  const { maxModelLen } = context.engine
  const asked = request.turn.sampling?.maxTokens ?? undefined
  const most = maxModelLen - (asked ?? Math.ceil(maxModelLen * ANSWER_PART))
  // Results of calls go with their calls; the last message stays.
  const cuts = messages.flatMap(({ role }, index) => (role === 'system' || role === 'tool' ? [] : [index]))
  const fits = async (at: number): Promise<boolean> => {
    const kept = withoutOldest(messages, cuts[at] as number)
    const { tokenIds } = await renderPrompt({ ...request.turn, messages: kept }, context, signal)
    return tokenIds.length <= (at === 0 ? maxModelLen - (asked ?? 1) : most)
  }
  // From the newest back, in growing steps: what is far too long is never rendered as a whole.
  let good = Math.max(0, cuts.length - 1)
  let bad = -1
  for (let step = 1; good > 0 && bad < 0; step *= 2) {
    const at = Math.max(0, good - step)
    if (await fits(at)) good = at
    else bad = at
  }
  while (good - bad > 1 && good > 0) {
    const middle = (good + bad) >> 1
    if (await fits(middle)) good = middle
    else bad = middle
  }
  return good === 0 ? messages : withoutOldest(messages, cuts[good] as number)
}

/** System messages stay, whatever they stand before. */
function withoutOldest(messages: ChatRequest['messages'], from: number): ChatRequest['messages'] {
  return messages.filter(({ role }, index) => index >= from || role === 'system' || role === 'developer')
}
