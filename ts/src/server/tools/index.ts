// Tools: what the model writes, told apart.

export * from './message-parser.js'
export * from './tool-parser.js'
export * from './tool-use.js'
