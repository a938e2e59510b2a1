// The plugin: candle and Quire's own kernels on the CPU.

export { plugin } from './plugin.js'
