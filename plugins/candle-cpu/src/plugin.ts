// The plugin on Node: over the addon of this platform and the memory of this process.

import { availableParallelism } from 'node:os'
import type { FrameworkPlugin } from 'quire-llm/plugin'
import { candlePlugin } from './candle-plugin.js'
import { computeThreads } from './compute-threads.js'
import { hostMemory } from './host-memory.js'
import { loadNative } from './native.js'
import { keepPackedWeights } from './packed-weights.js'

/** candle and Quire's own kernels on the CPU. */
export const plugin: FrameworkPlugin = candlePlugin({
  loadNative,
  memory: hostMemory,
  parallelism: availableParallelism(),
  computeThreads,
  keepPackedWeights,
})
