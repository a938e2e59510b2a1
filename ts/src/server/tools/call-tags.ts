// How a model writes calls, said as a structural tag: for a grammar that lets it call, or answer in a format. A format of
// calls builds its tag from these pieces.

import type { StructuredOutputs } from '../../config/index.js'
import {
  anyText,
  constant,
  either,
  formatOf,
  inGrammar,
  jsonOf,
  matching,
  oneOrMore,
  sequence,
  structuralTag,
  type TagFormat,
} from '../protocol/structural-tag.js'
import { argumentsSchema, type CallShape, callListSchema, callObjectSchema } from './call-schemas.js'
import type { CallTagOptions } from './tool-parser.js'

/** Space between the tokens of calls: a line break and an indentation at most, or a model could write nothing else for ever. */
export const CALL_WHITESPACE = '\\n?[ \\t]{0,32}'

interface Marks {
  readonly begin: string
  readonly end: string
  readonly shape?: CallShape
}

/** Marks of calls whose name stands in the first of them. */
interface NamedMarks {
  readonly begin: (name: string) => string
  readonly end: string
  readonly separator: string
}

/** An object of JSON for each call, between marks of its own. */
export function jsonElements(marks: Marks & { readonly separator: string }, options: CallTagOptions): TagFormat {
  const { begin, end, separator, shape } = marks
  const content = jsonOf(callObjectSchema(options.tools, shape))
  return oneOrMore([{ begin, content, end }], separator, options.parallelToolCalls)
}

/** All calls as one list of JSON, between marks. */
export function jsonList({ begin, end, shape }: Marks, { tools, parallelToolCalls }: CallTagOptions): TagFormat {
  return sequence(constant(begin), jsonOf(callListSchema(tools, parallelToolCalls, shape)), constant(end))
}

/** The arguments as JSON behind a mark with the name. */
export function namedElements({ begin, end, separator }: NamedMarks, options: CallTagOptions): TagFormat {
  const tags = options.tools.map(tool => ({ begin: begin(tool.name), content: jsonOf(argumentsSchema(tool)), end }))
  return oneOrMore(tags, separator, options.parallelToolCalls)
}

/** Arguments in words of the format's own behind a mark with the name: any text, up to the end. */
export function textElements({ begin, end, separator }: NamedMarks, options: CallTagOptions): TagFormat {
  const tags = options.tools.map(({ name }) => ({ begin: begin(name), content: anyText, end }))
  return oneOrMore(tags, separator, options.parallelToolCalls)
}

/**
 * The answer is as `structured` says, or calls that look like `calls`. undefined: the source of the constraint is wrong, and
 * the engine says how.
 */
export function answerOrCalls(structured: StructuredOutputs, calls: TagFormat): StructuredOutputs | undefined {
  const { disableAnyWhitespace, disableAdditionalProperties, whitespacePattern = CALL_WHITESPACE } = structured
  const answer = answerFormat(structured)
  if (answer === undefined) return undefined
  return {
    structuralTag: structuralTag(either(answer, calls)),
    whitespacePattern,
    ...(disableAnyWhitespace !== undefined && { disableAnyWhitespace }),
    ...(disableAdditionalProperties !== undefined && { disableAdditionalProperties }),
  }
}

function answerFormat(structured: StructuredOutputs): TagFormat | undefined {
  const { json, regex, choice, grammar, jsonObject } = structured
  if (jsonObject) return jsonOf({ type: 'object', additionalProperties: true })
  if (json !== undefined) {
    const schema = parsedValue(json)
    return schema === undefined ? undefined : jsonOf(schema)
  }
  if (regex !== undefined) return matching(regex)
  if (choice !== undefined) return either(...choice.map(constant))
  if (grammar !== undefined) return inGrammar(grammar)
  return structured.structuralTag === undefined ? undefined : formatOf(parsedValue(structured.structuralTag))
}

function parsedValue(given: object | boolean | string): unknown {
  if (typeof given !== 'string') return given
  try {
    return JSON.parse(given)
  } catch {
    return undefined
  }
}
