// The native module where it is an addon of Node, and the memory that it shares with processes.

export { loadNative } from './native.js'
export { shareMemory } from './shared-memory.js'
