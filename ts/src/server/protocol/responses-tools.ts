// Tools and the choice among them as /v1/responses spells them.

import { z } from 'zod'
import type { ChatTool } from '../chat/chat-request.js'
import { RequestError } from '../request-error.js'
import type { ToolChoice } from '../tools/index.js'
import { list } from './list-field.js'
import { anyObject, object } from './object-field.js'
import { defined, optional } from './optional-field.js'

const tool = object(
  z.looseObject({
    type: z.string(),
    name: optional(z.string()),
    description: optional(z.string()),
    parameters: optional(anyObject()),
    strict: optional(z.boolean()),
  }),
)

const choice = object(
  z.looseObject({
    type: z.string(),
    name: optional(z.string()),
    mode: optional(z.enum(['auto', 'required'])),
    tools: optional(list(object(z.looseObject({ type: z.string(), name: optional(z.string()) })), { max: 4096 })),
  }),
)

export const toolFields = {
  tools: optional(list(tool, { max: 4096 })),
  tool_choice: optional(
    z.union([z.enum(['none', 'auto', 'required']), choice], {
      error: '"none", "auto", "required" or a function by its name',
    }),
  ),
  parallel_tool_calls: optional(z.boolean()),
}

type Tools = z.output<typeof tool>[]
type Choice = z.output<typeof choice>

interface Fields {
  readonly tools?: Tools | undefined
  readonly tool_choice?: 'none' | 'auto' | 'required' | Choice | undefined
}

export interface ToolUse {
  /** What the model may call now. */
  readonly tools: readonly ChatTool[]
  readonly toolChoice: ToolChoice
}

/** @throws RequestError 400 for tools that a server would have to run, and for choices that there are not. */
export function toToolUse({ tools: given = [], tool_choice: wanted }: Fields): ToolUse {
  const tools = given.map(toTool)
  if (wanted === undefined || wanted === 'auto') return { tools, toolChoice: tools.length > 0 ? 'auto' : 'none' }
  if (wanted === 'none') return { tools, toolChoice: wanted }
  if (tools.length === 0) throw RequestError.badRequest('tool_choice needs tools to be given.', 'tool_choice')
  if (wanted === 'required') return { tools, toolChoice: wanted }
  if (wanted.type === 'function') return { tools, toolChoice: { name: named(wanted.name, tools, 'tool_choice.name') } }
  if (wanted.type === 'allowed_tools') return allowed(wanted, tools)
  throw RequestError.badRequest(
    `tool_choice.type is ${wanted.type}; this server runs no tools of its own, only "function" and "allowed_tools".`,
    'tool_choice.type',
  )
}

/** As replies tell them again. */
export function toolBodies(given: Tools | undefined) {
  return (given ?? []).map(({ name, description = null, parameters = null, strict = null }) => ({
    type: 'function',
    name,
    description,
    parameters,
    strict,
  }))
}

function toTool({ type, name, description, parameters, strict }: Tools[number], index: number): ChatTool {
  const param = `tools[${index}]`
  if (type !== 'function') {
    const message = `${param}.type is ${type}; this server runs no tools of its own, only "function".`
    throw RequestError.badRequest(message, `${param}.type`)
  }
  if (name === undefined || name === '') throw RequestError.badRequest(`${param}.name is missing.`, `${param}.name`)
  return { name, ...defined({ description, parameters, strict }) }
}

function named(name: string | undefined, tools: readonly ChatTool[], param: string): string {
  if (name !== undefined && tools.some(known => known.name === name)) return name
  throw RequestError.badRequest(`${param} is \`${name ?? ''}\`, which is none of the tools.`, param)
}

/** Some of the tools, as if there were no others. */
function allowed({ mode = 'auto', tools: chosen = [] }: Choice, tools: readonly ChatTool[]): ToolUse {
  if (chosen.length === 0) throw RequestError.badRequest('tool_choice.tools must have a tool.', 'tool_choice.tools')
  const names = chosen.map(({ name }, index) => named(name, tools, `tool_choice.tools[${index}].name`))
  return { tools: tools.filter(({ name }) => names.includes(name)), toolChoice: mode }
}
