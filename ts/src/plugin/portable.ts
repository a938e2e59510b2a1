// The contract of plugins, without what only Node has: what `quire-llm/plugin` is on web pages.

export * from '../errors.js'
export * from './device.js'
export * from './dtype.js'
export * from './framework.js'
export * from './framework-plugin.js'
export * from './input-batch.js'
export * from './model-runner.js'
export { registerPlugin } from './registry.js'
export * from './shared-memory.js'
export * from './window.js'
