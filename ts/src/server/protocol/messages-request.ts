// The body of /v1/messages, as Anthropic's clients send it: its schema, its rules, and the turn that it asks for.

import { z } from 'zod'
import type { StructuredOutputs } from '../../config/index.js'
import type { ChatMessage } from '../../engine/index.js'
import type { ChatRequest, ChatTool, ReasoningEffort } from '../chat/chat-request.js'
import { RequestError } from '../request-error.js'
import type { ToolChoice } from '../tools/index.js'
import { toChatMessages } from './chat-messages.js'
import { list } from './list-field.js'
import { defaulted, defined, ignored, optional } from './optional-field.js'
import { parseBody } from './parse-body.js'

const block = z.looseObject({ type: z.string() })

const content = z.union([z.string(), list(block, { max: 65_536 })], { error: 'a string or a list of blocks' })

const message = z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content })

const tool = z.looseObject({
  name: z.string().min(1),
  type: optional(z.string()),
  description: optional(z.string()),
  input_schema: optional(z.record(z.string(), z.unknown())),
  strict: optional(z.boolean()),
})

const outputFormat = z.looseObject({
  type: z.literal('json_schema'),
  schema: optional(z.record(z.string(), z.unknown())),
})

const promptFields = {
  model: optional(z.string()),
  messages: list(message, { min: 1, max: 65_536 }),
  system: optional(content),
  tools: optional(list(tool, { max: 4096 })),
  tool_choice: optional(
    z.looseObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: optional(z.string()),
      disable_parallel_tool_use: defaulted(z.boolean(), false),
    }),
  ),
  thinking: optional(z.looseObject({ type: z.string(), budget_tokens: optional(z.int().min(1)) })),
  output_config: optional(
    z.looseObject({
      effort: optional(z.enum(['low', 'medium', 'high', 'xhigh', 'max'])),
      format: optional(outputFormat),
    }),
  ),
}

export const countTokensRequestSchema = z.looseObject(promptFields)

export const messagesRequestSchema = z.looseObject({
  ...promptFields,
  max_tokens: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  stop_sequences: optional(list(z.string().min(1), { max: 1024 })),
  stream: defaulted(z.boolean(), false),
  temperature: optional(z.number().min(0)),
  top_p: optional(z.number().gt(0).max(1)),
  top_k: optional(z.int().min(-1)),
  /** What `output_config.format` was called before. */
  output_format: optional(outputFormat),
  metadata: ignored(),
  service_tier: ignored(),
})

type Fields = z.output<typeof messagesRequestSchema>
type PromptFields = z.output<typeof countTokensRequestSchema>
type Block = z.output<typeof block>

/** What decides the prompt of a turn. */
export type MessagesPrompt = Pick<
  ChatRequest,
  'messages' | 'tools' | 'toolChoice' | 'parallelToolCalls' | 'prompt' | 'reasoningEffort'
>

export interface MessagesRequest {
  readonly model: string | undefined
  readonly turn: Omit<ChatRequest, 'requestId'>
}

/** @throws RequestError 400 naming the field. */
export function parseMessagesRequest(body: Readonly<Record<string, unknown>>): MessagesRequest {
  const fields = parseBody(messagesRequestSchema, body)
  return {
    model: fields.model,
    turn: {
      ...toPrompt(fields),
      sampling: {
        maxTokens: fields.max_tokens,
        ...defined({
          stop: fields.stop_sequences,
          temperature: fields.temperature,
          topP: fields.top_p,
          topK: fields.top_k,
          structuredOutputs: toStructuredOutputs(fields),
        }),
      },
      stream: fields.stream,
      ...toThinking(fields.thinking),
    },
  }
}

/** @throws RequestError 400 naming the field. */
export function parseCountTokensRequest(body: Readonly<Record<string, unknown>>): {
  readonly model: string | undefined
  readonly prompt: MessagesPrompt
} {
  const fields = parseBody(countTokensRequestSchema, body)
  return { model: fields.model, prompt: toPrompt(fields) }
}

function toPrompt(fields: PromptFields): MessagesPrompt {
  const tools = toTools(fields.tools ?? [])
  const toolChoice = toToolChoice(fields.tool_choice, tools)
  const effort = toEffort(fields)
  // A last turn of the assistant is one that is to be continued.
  const continues = fields.messages.at(-1)?.role === 'assistant'
  return {
    messages: [...toSystem(fields.system), ...fields.messages.flatMap(toMessages)],
    tools,
    toolChoice,
    parallelToolCalls: !(fields.tool_choice?.disable_parallel_tool_use ?? false),
    prompt: continues ? { continueFinalMessage: true, addGenerationPrompt: false } : {},
    ...defined({ reasoningEffort: effort }),
  }
}

function toTools(tools: NonNullable<PromptFields['tools']>): readonly ChatTool[] {
  return tools.map(({ name, type = 'custom', description, input_schema: parameters, strict }, index) => {
    if (type !== 'custom') {
      const param = `tools[${index}].type`
      throw RequestError.badRequest(`${param} is ${type}; this server runs no tools of its own, only "custom".`, param)
    }
    return { name, ...defined({ description, parameters, strict }) }
  })
}

function toToolChoice(choice: PromptFields['tool_choice'], tools: readonly ChatTool[]): ToolChoice {
  if (choice === undefined) return tools.length > 0 ? 'auto' : 'none'
  if (choice.type === 'none' || choice.type === 'auto') return choice.type
  if (tools.length === 0) throw RequestError.badRequest('tool_choice needs tools to be given.', 'tool_choice')
  if (choice.type === 'any') return 'required'
  if (!tools.some(({ name }) => name === choice.name)) {
    const message = `tool_choice names \`${choice.name ?? ''}\`, which is none of the tools.`
    throw RequestError.badRequest(message, 'tool_choice.name')
  }
  return { name: choice.name as string }
}

function toStructuredOutputs({ output_config: config, output_format: former }: Fields): StructuredOutputs | undefined {
  const format = config?.format
  if (format !== undefined && former !== undefined) {
    throw RequestError.badRequest('output_config.format and output_format are both set.', 'output_format')
  }
  const [wanted, param] = format === undefined ? [former, 'output_format'] : [format, 'output_config.format']
  if (wanted === undefined) return undefined
  if (wanted.schema === undefined) throw RequestError.badRequest(`${param}.schema must be given.`, `${param}.schema`)
  return { json: wanted.schema }
}

function toEffort({ thinking, output_config: config }: PromptFields): ReasoningEffort | undefined {
  if (thinking?.type === 'disabled') return 'none'
  return config?.effort ?? (thinking === undefined ? undefined : 'medium')
}

/** Clients send a budget whatever the model: one that has no reasoning keeps it. */
function toThinking(thinking: PromptFields['thinking']): Pick<ChatRequest, 'thinkingTokenBudget' | 'mayNotReason'> {
  if (thinking?.type !== 'enabled' || thinking.budget_tokens === undefined) return {}
  return { thinkingTokenBudget: thinking.budget_tokens, mayNotReason: true }
}

function toSystem(system: PromptFields['system']): readonly ChatMessage[] {
  if (system === undefined || system.length === 0) return []
  const text = typeof system === 'string' ? system : textOf(system, 'system')
  return text === '' ? [] : [{ role: 'system', content: text }]
}

/** One message in Anthropic's form is several in OpenAI's: results of tools have a role of their own. */
function toMessages({ role, content: given }: PromptFields['messages'][number], index: number): readonly ChatMessage[] {
  if (typeof given === 'string') return [{ role, content: given }]
  const path = `messages[${index}].content`
  return role === 'assistant' ? toAssistant(given, path) : toUser(role, given, path)
}

function toUser(role: string, blocks: readonly Block[], path: string): readonly ChatMessage[] {
  const results = blocks.flatMap((given, index) =>
    given.type === 'tool_result' ? [toResult(given, `${path}[${index}]`)] : [],
  )
  const others = blocks.filter(({ type }) => type !== 'tool_result')
  if (others.length === 0 && results.length > 0) return results
  return [...results, { role, content: textOf(others, path) }]
}

function toResult(given: Block, path: string): ChatMessage {
  const parsed = z
    .looseObject({ tool_use_id: z.string(), content: optional(content), is_error: defaulted(z.boolean(), false) })
    .safeParse(given)
  if (!parsed.success) throw RequestError.badRequest(`${path} is no tool_result: it needs tool_use_id.`, path)
  const { tool_use_id: id, content: said = '', is_error: failed } = parsed.data
  const text = typeof said === 'string' ? said : textOf(said, `${path}.content`)
  return { role: 'tool', tool_call_id: id, content: failed && text === '' ? 'The tool failed.' : text }
}

function toAssistant(blocks: readonly Block[], path: string): readonly ChatMessage[] {
  const thoughts = blocks.flatMap(({ type, thinking }) =>
    type === 'thinking' && typeof thinking === 'string' ? [thinking] : [],
  )
  const calls = blocks.flatMap((given, index) =>
    given.type === 'tool_use' ? [toCall(given, `${path}[${index}]`)] : [],
  )
  const spoken = blocks.filter(({ type }) => !['thinking', 'redacted_thinking', 'tool_use'].includes(type))
  return toChatMessages([
    {
      role: 'assistant',
      content: textOf(spoken, path),
      tool_calls: calls.length > 0 ? calls : undefined,
      reasoning: thoughts.length > 0 ? thoughts.join('\n') : undefined,
      name: undefined,
      tool_call_id: undefined,
      reasoning_content: undefined,
    },
  ])
}

function toCall(given: Block, path: string) {
  const { id, name, input = {} } = given
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
  if (typeof id !== 'string' || typeof name !== 'string' || !isObject) {
    throw RequestError.badRequest(`${path} is no tool_use: it needs id, name and input, an object.`, path)
  }
  return { id, type: 'function', function: { name, arguments: input as Record<string, unknown> } }
}

function textOf(blocks: readonly Block[], path: string): string {
  return blocks
    .map((given, index) => {
      const { type, text } = given
      if (type === 'text' && typeof text === 'string') return text
      const param = `${path}[${index}]`
      throw RequestError.badRequest(`${param} is of type ${type}, but this model reads text only.`, param)
    })
    .join('\n')
}
