// Tools and the choice among them as chats spell them, and as chat templates see them.

import { z } from 'zod'
import type { ChatTool } from '../chat/chat-request.js'
import { RequestError } from '../request-error.js'
import type { ToolChoice } from '../tools/index.js'
import { list } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { defined, optional } from './optional-field.js'

const tool = object(
  z.looseObject({
    type: z.literal('function'),
    function: object(
      z.looseObject({
        name: z.string().min(1),
        description: optional(z.string()),
        parameters: optional(anyObject()),
        strict: optional(z.boolean()),
      }),
    ),
  }),
)

const namedChoice = object(
  z.looseObject({
    type: z.literal('function').optional(),
    function: object(z.looseObject({ name: z.string().min(1) })),
  }),
)

export const toolsSchema = list(tool, { max: 4096 })

export const toolFields = {
  tools: optional(toolsSchema),
  tool_choice: optional(
    z.union([z.enum(['none', 'auto', 'required']), namedChoice], {
      error: '"none", "auto", "required" or a function by its name',
    }),
  ),
  parallel_tool_calls: optional(z.boolean()),
}

interface Fields {
  readonly tools?: z.output<typeof toolsSchema> | undefined
  readonly tool_choice?: 'none' | 'auto' | 'required' | z.output<typeof namedChoice> | undefined
}

/** Tools, and the choice: `auto` where there are some and nothing is said. @throws RequestError. */
export function toToolUse(fields: Fields): { readonly tools: readonly ChatTool[]; readonly toolChoice: ToolChoice } {
  if (fields.tools?.length === 0) {
    throw RequestError.badRequest('tools must not be empty: give one at least, or leave the field out.', 'tools')
  }
  const tools = toChatTools(fields.tools ?? [])
  const { tool_choice: choice } = fields
  if (choice === undefined || choice === 'none')
    return { tools, toolChoice: choice ?? (tools.length > 0 ? 'auto' : 'none') }
  if (tools.length === 0) throw RequestError.badRequest('tool_choice needs tools to be given.', 'tool_choice')
  if (typeof choice === 'string') return { tools, toolChoice: choice }
  const { name } = choice.function
  if (!tools.some(known => known.name === name)) {
    throw RequestError.badRequest(`tool_choice names \`${name}\`, which is none of the tools.`, 'tool_choice')
  }
  return { tools, toolChoice: { name } }
}

export function toChatTools(tools: z.output<typeof toolsSchema>): readonly ChatTool[] {
  return tools.map(({ function: { name, description, parameters, strict } }) => ({
    name,
    ...defined({ description, parameters, strict }),
  }))
}

/** As templates have it: OpenAI's form, with the fields in the order that models were trained on. */
export function toTemplateTools(tools: readonly ChatTool[]): readonly unknown[] {
  return tools.map(({ name, description = '', parameters = { type: 'object', properties: {} } }) => ({
    type: 'function',
    function: { name, description, parameters },
  }))
}
