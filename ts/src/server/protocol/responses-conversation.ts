// From the items of a response's input to the messages that chat templates know: what an assistant thought, said and called
// stands in several items, and in one message.

import type { ChatMessage } from '../../engine/index.js'
import { RequestError } from '../request-error.js'
import { toChatMessages } from './chat-messages.js'
import type { InputItem, ItemPart } from './responses-input-items.js'

type Message = Parameters<typeof toChatMessages>[0][number]

/** The messages of a turn. Instructions stand before all, joined with a system message that begins the input. */
export function messagesOf(items: readonly InputItem[], instructions: string | undefined): readonly ChatMessage[] {
  const messages: Message[] = []
  let thoughts: string[] = []
  for (const item of items) {
    if (item.type === 'reasoning') {
      thoughts.push(textOf(item.content.length > 0 ? item.content : item.summary))
      continue
    }
    const last = messages.at(-1)
    if (item.type === 'function_call' && last?.role === 'assistant' && thoughts.length === 0) {
      messages.splice(-1, 1, { ...last, tool_calls: [...(last.tool_calls ?? []), callOf(item)] })
      continue
    }
    messages.push(messageOf(item, thoughts))
    thoughts = []
  }
  return toChatMessages(withInstructions(messages, instructions))
}

function messageOf(item: Exclude<InputItem, { type: 'reasoning' }>, thoughts: readonly string[]): Message {
  const reasoning = thoughts.length > 0 ? thoughts.join('\n') : undefined
  switch (item.type) {
    case 'message': {
      const { role, content } = item
      return message({ role, content: textOf(content), ...(role === 'assistant' && { reasoning }) })
    }
    case 'function_call':
      return message({ role: 'assistant', content: '', tool_calls: [callOf(item)], reasoning })
    case 'function_call_output': {
      const { output, call_id } = item
      return message({
        role: 'tool',
        tool_call_id: call_id,
        content: typeof output === 'string' ? output : textOf(output),
      })
    }
  }
}

function callOf({ call_id, name, arguments: text }: Extract<InputItem, { type: 'function_call' }>) {
  return { id: call_id, type: 'function', function: { name, arguments: text } }
}

function message(fields: Pick<Message, 'role'> & Partial<Message>): Message {
  return {
    content: undefined,
    name: undefined,
    tool_calls: undefined,
    tool_call_id: undefined,
    reasoning: undefined,
    reasoning_content: undefined,
    ...fields,
  }
}

function withInstructions(messages: readonly Message[], instructions: string | undefined): readonly Message[] {
  if (instructions === undefined || instructions === '') return messages
  const [first, ...rest] = messages
  if (first?.role !== 'system') return [message({ role: 'system', content: instructions }), ...messages]
  return [{ ...first, content: `${instructions}\n\n${String(first.content)}` }, ...rest]
}

function textOf(parts: readonly ItemPart[]): string {
  return parts.map(({ text }) => text).join('\n')
}

/** @throws RequestError 400 for a result of a call that is not there. */
export function checkCalls(before: readonly InputItem[], given: readonly InputItem[]): void {
  const known = new Set(before.flatMap(item => (item.type === 'function_call' ? [item.call_id] : [])))
  for (const [index, item] of given.entries()) {
    if (item.type === 'function_call') known.add(item.call_id)
    if (item.type !== 'function_call_output' || known.has(item.call_id)) continue
    const param = `input[${index}].call_id`
    throw RequestError.badRequest(
      `${param} is ${item.call_id}, but no function_call before it has this call_id.`,
      param,
    )
  }
}
