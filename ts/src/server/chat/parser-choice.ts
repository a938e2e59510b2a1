// Which parsers read answers: those that the operator named, else those of the formats that the chat template teaches.

import { EngineError } from '../../errors.js'
import { type ReasoningFormat, reasoningParserFor, reasoningParserNamed } from '../reasoning/index.js'
import type { EndpointConfig } from '../server-config.js'
import type { GenerationContext } from '../server-context.js'
import { type ToolFormat, toolParserFor, toolParserNamed } from '../tools/index.js'

type Names = Pick<EndpointConfig, 'toolCallParser' | 'reasoningParser'>

export function toolFormat(source: string, { toolCallParser: name }: Names): ToolFormat | undefined {
  return name === undefined ? toolParserFor(source) : toolParserNamed(name)
}

export function reasoningFormat(source: string, { reasoningParser: name }: Names): ReasoningFormat | undefined {
  if (name === 'none') return undefined
  return name === undefined ? reasoningParserFor(source) : reasoningParserNamed(name)
}

/** @throws InvalidArgumentError for the name of a parser that there is not. */
export function checkParserNames(names: Names): void {
  toolFormat('', names)
  reasoningFormat('', names)
}

/** The operator counts on calls; if no parser would find any, the log says so. */
export function warnWithoutToolParser({ config, engine, logger }: GenerationContext): void {
  const { autoToolChoice, ...names } = config.endpoints
  if (!autoToolChoice || toolFormat(templateOf(engine), names) !== undefined) return
  logger.warn(
    {},
    'The chat template shows no way to write tool calls that is known: with tool_choice "auto" no calls are found. ' +
      '--tool-call-parser names a parser; "required" and named functions work without one.',
  )
}

/** The template of conversations without tools; empty if there is none. */
export function templateOf(engine: GenerationContext['engine']): string {
  try {
    return engine.chatTemplateSource(true)
  } catch (error) {
    if (error instanceof EngineError) return ''
    throw error
  }
}
