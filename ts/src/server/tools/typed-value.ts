// Arguments that a format writes as bare text, turned into JSON by the tool's schema.

import { pythonToJson } from './python-literal.js'
import type { JsonObject } from './tool-parser.js'

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const ALL = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array']

/** The types that a tool's parameter may have; every type where the schema does not say. */
export function typesOf(parameters: JsonObject | undefined, parameter: string): ReadonlySet<string> {
  const properties = objectOrUndefined(parameters?.properties)
  const schema =
    properties !== undefined && Object.hasOwn(properties, parameter)
      ? properties[parameter]
      : parameters?.additionalProperties
  const types = new Set<string>()
  collectTypes(schema, parameters, types, 0)
  return types.size === 0 ? new Set(ALL) : types
}

/** True if the text is the value, whatever it looks like: it can be told as it comes. */
export function isOnlyText(types: ReadonlySet<string>): boolean {
  return types.size === 1 && types.has('string')
}

/** The JSON of a whole text. A text that fits no type stays a string. */
export function jsonOfText(text: string, types: ReadonlySet<string>): string {
  const trimmed = text.trim()
  if (types.has('null') && /^(?:null|none)$/i.test(trimmed)) return 'null'
  if (types.has('boolean') && /^(?:true|false)$/i.test(trimmed)) return trimmed.toLowerCase()
  if ((types.has('number') || types.has('integer')) && NUMBER.test(trimmed)) return trimmed
  if (types.has('object') && trimmed.startsWith('{')) return containerOf(trimmed) ?? JSON.stringify(text)
  if (types.has('array') && trimmed.startsWith('[')) return containerOf(trimmed) ?? JSON.stringify(text)
  return JSON.stringify(text)
}

function containerOf(text: string): string | undefined {
  try {
    JSON.parse(text)
    return text
  } catch {
    return pythonToJson(text)
  }
}

function collectTypes(schema: unknown, root: JsonObject | undefined, types: Set<string>, depth: number): void {
  const object = objectOrUndefined(schema)
  if (object === undefined || depth > 16) return
  for (const type of [object.type].flat()) if (typeof type === 'string') types.add(type)
  if (object.type === undefined) {
    const values = Array.isArray(object.enum) ? object.enum : 'const' in object ? [object.const] : []
    for (const value of values) types.add(typeOf(value))
  }
  for (const branch of [object.anyOf, object.oneOf, object.allOf].flat()) collectTypes(branch, root, types, depth + 1)
  if (typeof object.$ref === 'string') collectTypes(targetOf(object.$ref, root), root, types, depth + 1)
}

/** What `#/$defs/Name` points at. */
function targetOf(reference: string, root: JsonObject | undefined): unknown {
  if (!reference.startsWith('#/')) return undefined
  const steps = reference.slice(2).split('/')
  return steps.reduce<unknown>((value, step) => {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    const object = objectOrUndefined(value)
    return object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined
  }, root)
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value
}

function objectOrUndefined(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}
