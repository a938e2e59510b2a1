// `quire-llm/plugin`: the contract between Quire and a framework plugin, whole. A plugin imports this and nothing else of Quire.

export * from '../errors.js'
export * from './device.js'
export * from './dtype.js'
export * from './framework.js'
export * from './framework-plugin.js'
export * from './input-batch.js'
export * from './model-runner.js'
export * from './python-environment.js'
export { registerPlugin } from './registry.js'
export * from './shared-memory.js'
export * from './window.js'
