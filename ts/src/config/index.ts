// Configuration: what the user asked for, checked and frozen.

export * from './engine-config.js'
export * from './logits-processors.js'
export * from './parse-model-json.js'
export * from './sampling-params.js'
export * from './speculative-config.js'
export * from './structured-outputs.js'
