// How the answer of a turn is held and read: the constraint that its tools or its format put on it, how it is decoded, and
// the parsers that take it apart.

import type { StructuredOutputs } from '../../config/index.js'
import { type ReasoningFormat, reasoningParserFor, reasoningParserNamed } from '../reasoning/index.js'
import type { ServerContext } from '../server-context.js'
import {
  createMessageParser,
  type MessageParser,
  planToolUse,
  type ToolFormat,
  toolParserFor,
  toolParserNamed,
} from '../tools/index.js'
import { templateSource } from './chat-prompt.js'
import type { ChatRequest } from './chat-request.js'

export interface AnswerPlan {
  /** undefined: the model is free. */
  readonly structuredOutputs: StructuredOutputs | undefined
  /** Marks of the answer's format are special tokens: they must not be left out of the text. */
  readonly keepsSpecialTokens: boolean
  /** A parser for one choice; undefined: all is content. */
  createParser(): MessageParser | undefined
}

/**
 * A constraint holds from the first token on: a model that is constrained does not think first.
 * @throws InvalidArgumentError for a parser that there is not.
 */
export function planAnswer(request: ChatRequest, promptText: string, context: ServerContext): AnswerPlan {
  const { tools = [], toolChoice = tools.length > 0 ? 'auto' : 'none', parallelToolCalls = true } = request
  const source = templateSource(request, context)
  const use = planToolUse({ tools, toolChoice, parallelToolCalls, format: toolFormat(source, context) })
  const structuredOutputs = use.schema === undefined ? request.sampling?.structuredOutputs : { json: use.schema }
  const reasoning = structuredOutputs === undefined ? reasoningFormat(source, context) : undefined
  const reasons = reasoning !== undefined
  const calls = toolChoice !== 'none' && use.createParser() !== undefined
  return {
    structuredOutputs,
    keepsSpecialTokens: use.keepsSpecialTokens || (reasoning?.keepsSpecialTokens ?? false),
    createParser: () => {
      if (!reasons && !calls) return undefined
      const toolParser = use.createParser()
      return createMessageParser({
        ...(reasoning !== undefined && { reasoning: reasoning.createParser({ prompt: promptText }) }),
        ...(toolParser !== undefined && { tools: toolParser }),
      })
    },
  }
}

function toolFormat(source: string, { config }: ServerContext): ToolFormat | undefined {
  const { toolCallParser: name } = config.endpoints
  return name === undefined ? toolParserFor(source) : toolParserNamed(name)
}

function reasoningFormat(source: string, { config }: ServerContext): ReasoningFormat | undefined {
  const { reasoningParser: name } = config.endpoints
  if (name === 'none') return undefined
  return name === undefined ? reasoningParserFor(source) : reasoningParserNamed(name)
}
