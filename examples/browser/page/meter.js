// What the engine does, four times a second: tokens a second over the last two, sequences that run, blocks that are held, and
// the share of prompt tokens that were found in the prefix cache.

import { byId } from './element.js'

const EVERY_MS = 250
const WINDOW = 8

export class Meter {
  #timer
  #samples = []

  /** Watches a model; undefined: none. */
  watch(llm) {
    clearInterval(this.#timer)
    this.#samples = []
    for (const name of ['rate', 'running', 'cache', 'hits']) byId(`meter-${name}`).textContent = '–'
    if (llm !== undefined) this.#timer = setInterval(() => this.#read(llm), EVERY_MS)
  }

  #read(llm) {
    const stats = llm.stats()
    this.#samples.push({ at: performance.now(), tokens: stats.numGeneratedTokens })
    if (this.#samples.length > WINDOW) this.#samples.shift()
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    const seconds = (last.at - first.at) / 1000
    const used = 1 - stats.numFreeBlocks / Math.max(1, stats.numUsableBlocks)
    const { prefixCacheHits: hits, prefixCacheQueries: queries } = stats
    byId('meter-rate').textContent = seconds > 0 ? Math.round((last.tokens - first.tokens) / seconds).toString() : '0'
    byId('meter-running').textContent =
      stats.numWaiting > 0 ? `${stats.numRunning} + ${stats.numWaiting}` : stats.numRunning
    byId('meter-cache').textContent = `${Math.round(used * 100)}%`
    byId('meter-hits').textContent = queries > 0 ? `${Math.round((hits / queries) * 100)}%` : '0%'
  }
}
