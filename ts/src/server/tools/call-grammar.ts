// Calls that a grammar enforces: the JSON schema that the answer must follow, and the parsers of such answers.

import { type Answer, parserOf } from './answer.js'
import { readCalls } from './json-calls.js'
import type { Reading } from './text-cursor.js'
import type { JsonObject, ToolDefinition, ToolParser, ToolParserOptions } from './tool-parser.js'

const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {}, additionalProperties: false }

/** For `required`: a list of at least one {"name", "parameters"}. */
export function requiredCallsSchema(tools: readonly ToolDefinition[], parallelToolCalls = true): JsonObject {
  const definitions: Record<string, JsonObject> = {}
  const branches = tools.map((tool, index) => {
    const { $schema, $id, ...schema } = namedCallSchema(tool)
    const slot = `tool${index}`
    const moved = moveReferences(schema, `#/$defs/${slot}`)
    if (moved.found) definitions[slot] = moved.value as JsonObject
    return {
      type: 'object',
      properties: { name: { enum: [tool.name] }, parameters: moved.found ? { $ref: `#/$defs/${slot}` } : schema },
      required: ['name', 'parameters'],
      additionalProperties: false,
    }
  })
  return {
    type: 'array',
    minItems: 1,
    ...(!parallelToolCalls && { maxItems: 1 }),
    items: { anyOf: branches },
    ...(Object.keys(definitions).length > 0 && { $defs: definitions }),
  }
}

/** For a function that is named: its arguments, always an object. */
export function namedCallSchema(tool: ToolDefinition): JsonObject {
  if (tool.parameters === undefined) return NO_ARGUMENTS
  const { parameters } = tool
  const says = ['type', '$ref', 'anyOf', 'oneOf', 'allOf'].some(key => Object.hasOwn(parameters, key))
  return says ? parameters : { type: 'object', ...parameters }
}

export function requiredCallsParser(options: ToolParserOptions): ToolParser {
  return parserOf(readRequired, options)
}

export function namedCallParser(name: string, options: ToolParserOptions): ToolParser {
  return parserOf(answer => readNamed(answer, name), options)
}

function* readRequired(answer: Answer): Reading {
  const { cursor } = answer
  cursor.hold()
  yield* answer.skipSpace()
  const end = yield* readCalls(answer)
  if (end === 'malformed') cursor.rewind()
  else if (end === 'broken') yield* answer.brokenArguments([], '}]')
  yield* answer.contentUntil([])
}

function* readNamed(answer: Answer, name: string): Reading {
  yield* answer.skipSpace()
  if (!(yield* answer.cursor.more())) return
  answer.call(name)
  if (!(yield* answer.json(json => answer.arguments(json)))) yield* answer.brokenArguments([], '')
  yield* answer.contentUntil([])
}

/** A schema that points into itself, put below `root` of another schema. */
function moveReferences(schema: JsonObject, root: string): { readonly value: unknown; readonly found: boolean } {
  let found = false
  const moveAll = (value: unknown, move: (member: unknown, key: string) => unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(item => move(item, ''))
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, move(member, key)]))
  }
  const moveSchema = (value: unknown): unknown =>
    moveAll(value, (member, key) => {
      if (DATA_KEYWORDS.has(key)) return member
      if (MAP_KEYWORDS.has(key)) return moveAll(member, moveSchema)
      if (key !== '$ref' || typeof member !== 'string' || !/^#(?:\/|$)/.test(member)) return moveSchema(member)
      found = true
      return root + member.slice(1)
    })
  return { value: moveSchema(schema), found }
}

/** Keywords whose values are data rather than schemas. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples', 'required'])

/** Keywords whose values are schemas by name. */
const MAP_KEYWORDS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
])
