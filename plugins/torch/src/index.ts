// The plugin: PyTorch, in a Python process of its own.

export { plugin } from './plugin.js'
