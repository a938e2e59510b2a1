// Reasoning: what the model thinks, told from what it says.

export * from './reasoning-parser.js'
