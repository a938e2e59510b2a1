// How the answer of a turn is held and read: the constraint that its tools or its format put on it, how it is decoded, and
// the parsers that take it apart.

import type { StructuredOutputs } from '../../config/index.js'
import type { ReasoningFormat } from '../reasoning/index.js'
import type { GenerationContext } from '../server-context.js'
import {
  answerOrCalls,
  CALL_WHITESPACE,
  createMessageParser,
  type MessageParser,
  planToolUse,
  type ToolUse,
} from '../tools/index.js'
import { templateSource } from './chat-prompt.js'
import type { ChatRequest } from './chat-request.js'
import { reasoningFormat, toolFormat } from './parser-choice.js'

export interface AnswerPlan {
  /** undefined: the model is free. */
  readonly structuredOutputs: StructuredOutputs | undefined
  /** Marks of the answer's format are special tokens: they must not be left out of the text. */
  readonly keepsSpecialTokens: boolean
  /** Its parsers look for calls. */
  readonly parsesCalls: boolean
  /** How it reasons; undefined: it does not, or a constraint keeps it from it. */
  readonly reasoning: ReasoningFormat | undefined
  /** A parser for one choice; undefined: all is content. */
  createParser(): MessageParser | undefined
}

/**
 * A constraint holds from the first token on: a model that is constrained does not think first.
 * @throws InvalidArgumentError for a parser that there is not.
 */
export function planAnswer(request: ChatRequest, promptText: string, context: GenerationContext): AnswerPlan {
  const { tools = [], toolChoice = tools.length > 0 ? 'auto' : 'none', parallelToolCalls = true } = request
  const source = templateSource(request, context)
  const format = toolFormat(source, context.config.endpoints)
  const use = planToolUse({ tools, toolChoice, parallelToolCalls, format, templateSource: source })
  const structuredOutputs = constraintOf(use, request.sampling?.structuredOutputs)
  const reasoning = structuredOutputs === undefined ? reasoningFormat(source, context.config.endpoints) : undefined
  const reasons = reasoning !== undefined
  const calls = toolChoice !== 'none' && use.createParser() !== undefined
  return {
    structuredOutputs,
    keepsSpecialTokens: use.keepsSpecialTokens || (reasoning?.keepsSpecialTokens ?? false),
    parsesCalls: calls,
    reasoning,
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

/** Enforced calls leave no choice; beside a format of the answer, the model may still call where a grammar can say how. */
function constraintOf(use: ToolUse, asked: StructuredOutputs | undefined): StructuredOutputs | undefined {
  if (use.schema !== undefined) return { json: use.schema, whitespacePattern: CALL_WHITESPACE }
  const calls = asked && use.callTag?.()
  return asked && calls ? (answerOrCalls(asked, calls) ?? asked) : asked
}
