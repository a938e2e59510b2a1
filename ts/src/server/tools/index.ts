// Tools: what the model writes, told apart.

export { namedCallParser, namedCallSchema, requiredCallsParser, requiredCallsSchema } from './call-grammar.js'
export { randomCallId } from './call-id.js'
export * from './message-parser.js'
export { TOOL_FORMATS, toolParserFor, toolParserNamed } from './registry.js'
export * from './tool-parser.js'
export * from './tool-use.js'
