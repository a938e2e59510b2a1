// `@quire-llm/candle-cpu/portable`: the plugin for hosts that are not Node, which bring its module and an account of memory.

export type { CandleHost, MemoryAccount } from './candle-host.js'
export { candlePlugin } from './candle-plugin.js'
export type { Native as CandleNative } from './native.js'
