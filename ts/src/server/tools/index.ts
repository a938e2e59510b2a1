// Tools: what the model writes, told apart.

export { randomCallId } from './call-id.js'
export { answerOrCalls, CALL_WHITESPACE } from './call-tags.js'
export * from './message-parser.js'
export { TOOL_FORMATS, toolParserFor, toolParserNamed } from './registry.js'
export * from './tool-parser.js'
export * from './tool-use.js'
