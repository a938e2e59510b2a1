// JSON schemas of calls: of one, of a list of them, of the arguments of a function that is named.

import type { JsonObject, ToolDefinition } from './tool-parser.js'

const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {}, additionalProperties: false }

/** The properties of an object that is a call. */
export type CallShape = (name: string, args: JsonObject) => Readonly<Record<string, JsonObject>>

export const nameAndArguments: CallShape = (name, args) => ({ name: { const: name }, arguments: args })
export const nameAndParameters: CallShape = (name, args) => ({ name: { const: name }, parameters: args })

/** For `required`: a list of at least one {"name", "parameters"}. */
export function requiredCallsSchema(tools: readonly ToolDefinition[], parallelToolCalls = true): JsonObject {
  return listOf(callsOf(tools, nameAndParameters, namedCallSchema), parallelToolCalls)
}

/** For a function that is named: its arguments, always an object. */
export function namedCallSchema(tool: ToolDefinition): JsonObject {
  if (tool.parameters === undefined) return NO_ARGUMENTS
  const { parameters } = tool
  const says = ['type', '$ref', 'anyOf', 'oneOf', 'allOf'].some(key => Object.hasOwn(parameters, key))
  return says ? parameters : { type: 'object', ...parameters }
}

/** Arguments of a call that the model may make: only those of strict tools are promised to fit their schema. */
export function argumentsSchema(tool: ToolDefinition): JsonObject {
  return tool.strict ? namedCallSchema(tool) : { type: 'object', additionalProperties: true }
}

/** A call that the model may make. */
export function callObjectSchema(tools: readonly ToolDefinition[], shape: CallShape = nameAndArguments): JsonObject {
  const { branches, definitions } = callsOf(tools, shape, argumentsSchema)
  return { anyOf: branches, ...definitions }
}

/** A list of them, with one at least. */
export function callListSchema(
  tools: readonly ToolDefinition[],
  parallelToolCalls: boolean,
  shape: CallShape = nameAndArguments,
): JsonObject {
  return listOf(callsOf(tools, shape, argumentsSchema), parallelToolCalls)
}

interface Calls {
  readonly branches: readonly JsonObject[]
  /** `$defs`, where there are any. */
  readonly definitions: JsonObject
}

function listOf({ branches, definitions }: Calls, parallelToolCalls: boolean): JsonObject {
  return {
    type: 'array',
    minItems: 1,
    ...(!parallelToolCalls && { maxItems: 1 }),
    items: { anyOf: branches },
    ...definitions,
  }
}

function callsOf(
  tools: readonly ToolDefinition[],
  shape: CallShape,
  argumentsOf: (tool: ToolDefinition) => JsonObject,
): Calls {
  const definitions: Record<string, JsonObject> = {}
  const branches = tools.map((tool, index) => {
    const { $schema, $id, ...schema } = argumentsOf(tool)
    const slot = `tool${index}`
    const moved = moveReferences(schema, `#/$defs/${slot}`)
    if (moved.found) definitions[slot] = moved.value as JsonObject
    const properties = shape(tool.name, moved.found ? { $ref: `#/$defs/${slot}` } : schema)
    return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
  })
  return { branches, definitions: Object.keys(definitions).length > 0 ? { $defs: definitions } : {} }
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
