// Reasoning: what the model thinks, told from what it says.

export * from './reasoning-parser.js'
export { REASONING_FORMATS, reasoningParserFor, reasoningParserNamed } from './registry.js'
