// A model brought up on a plugin as the engine does it, and sequences that are fed to it step by step.

import { allocateKvCache } from '../executor/kv-cache.js'
import type { Framework, Tensor } from '../plugin/framework.js'
import type { OpenedFramework } from '../plugin/framework-plugin.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type {
  BatchLimits,
  KvCacheSpec,
  MemoryProfile,
  ModelInfo,
  ModelOutput,
  ModelRunner,
  Target,
} from '../plugin/model-runner.js'
import { elementsOf } from '../plugin/window.js'
import { type BatchOptions, type BatchRow, buildInputBatch } from './batch-builder.js'
import { expect, expectEqual } from './expectations.js'
import { decode, hostArray } from './host-array.js'

export interface SessionOptions {
  readonly path: string
  readonly target: Target
  readonly limits: BatchLimits
  /** KV blocks, the null block included. */
  readonly numBlocks: number
  /** Bytes to which entries of the cache are rounded up. Default what the runner asks for. */
  readonly alignment?: number
}

/** One sequence of known tokens. */
export interface Sequence {
  readonly id: number
  readonly tokenIds: number[]
  readonly blockTable: number[]
  numComputed: number
}

export interface StepResult {
  readonly batch: InputBatch
  readonly output: ModelOutput
  /** `[numLogits]`, copies; empty where the runner has sampled */
  readonly logits: readonly Float32Array[]
}

export class ModelSession {
  readonly framework: Framework
  readonly runner: ModelRunner
  readonly info: ModelInfo
  readonly spec: KvCacheSpec
  readonly profile: MemoryProfile
  readonly limits: BatchLimits
  readonly numBlocks: number
  readonly cache: readonly Tensor[]
  /** Fractions that loading and warming up told. */
  readonly progress: { readonly load: readonly number[]; readonly warmup: readonly number[] }
  readonly #isFirstRank: boolean
  readonly #logits: Float32Array
  readonly #freeBlocks: number[]
  #numSequences = 0
  #numSteps = 0

  private constructor(parts: SessionParts) {
    this.framework = parts.framework
    this.runner = parts.runner
    this.info = parts.info
    this.spec = parts.spec
    this.profile = parts.profile
    this.limits = parts.limits
    this.numBlocks = parts.numBlocks
    this.cache = parts.cache
    this.progress = parts.progress
    this.#isFirstRank = parts.isFirstRank
    const needed = parts.isFirstRank ? parts.limits.maxLogitsRows * parts.info.vocabSize : 0
    this.#logits = parts.logitsMemory ?? new Float32Array(needed)
    expect(this.#logits.length >= needed, `logitsMemory has ${this.#logits.length} elements, ${needed} are needed`)
    this.#freeBlocks = Array.from({ length: parts.numBlocks - 1 }, (_, index) => index + 1)
  }

  /** Load, profile, allocate, bind, warm up: the engine's order. Nothing is left open where it throws. */
  static async open(opened: OpenedFramework, options: SessionOptions): Promise<ModelSession> {
    const { framework } = opened
    const { path, target, limits, numBlocks } = options
    framework.setDevice(target.device)
    const runner = await opened.createRunner(target)
    try {
      const progress = { load: [] as number[], warmup: [] as number[] }
      const info = await runner.loadModel({ path }, fraction => progress.load.push(fraction))
      const spec = runner.kvCacheSpec()
      const profile = await runner.profile(limits)
      const logitsMemory = runner.logitsMemory?.()
      await framework.emptyCache()
      const layers = spec.layers.map(layer => ({ ...layer, alignment: options.alignment ?? layer.alignment }))
      const cache = allocateKvCache(framework, { ...spec, layers }, numBlocks, target.device)
      await framework.synchronize()
      await runner.bindKvCache(cache)
      await runner.warmup(fraction => progress.warmup.push(fraction))
      const isFirstRank = target.rank === 0
      const told = { info, spec, profile, progress, logitsMemory, isFirstRank }
      return new ModelSession({ framework, runner, limits, numBlocks, cache, ...told })
    } catch (error) {
      await runner.close()
      throw error
    }
  }

  close(): Promise<void> {
    return this.runner.close()
  }

  /** A sequence of which nothing is computed. */
  start(tokenIds: readonly number[]): Sequence {
    this.#numSequences += 1
    return { id: this.#numSequences, tokenIds: [...tokenIds], blockTable: [], numComputed: 0 }
  }

  /** Gives the blocks of a sequence back. What they hold stays there. */
  free(...sequences: readonly Sequence[]): void {
    for (const { blockTable } of sequences) this.#freeBlocks.push(...blockTable.splice(0))
  }

  /** The order in which free blocks are handed out next. */
  reorderFreeBlocks(order: (blocks: readonly number[]) => readonly number[]): void {
    this.#freeBlocks.splice(0, this.#freeBlocks.length, ...order([...this.#freeBlocks]))
  }

  /** A block for a test's own use; it comes back with the sequence that has it in its table. */
  takeBlock(): number {
    const block = this.#freeBlocks.shift()
    expect(block !== undefined, 'the suite has no KV block left: this is a bug in it')
    return block
  }

  /** The next `numTokens` tokens of a sequence as a row; they count as computed from now on. */
  row(sequence: Sequence, numTokens: number, wants: Partial<BatchRow> = {}): BatchRow {
    const { numComputed } = sequence
    const end = numComputed + numTokens
    while (sequence.blockTable.length * this.limits.blockSize < end) sequence.blockTable.push(this.takeBlock())
    sequence.numComputed = end
    return {
      sequenceId: sequence.id,
      tokenIds: sequence.tokenIds.slice(numComputed, end),
      numComputed,
      blockTable: [...sequence.blockTable],
      ...wants,
    }
  }

  /** Runs one step. Logits that the runner does not write come out as NaN. */
  async step(rows: readonly BatchRow[], options: Partial<BatchOptions> = {}): Promise<StepResult> {
    this.#numSteps += 1
    const batch = buildInputBatch(rows, { blockSize: this.limits.blockSize, stepId: this.#numSteps, ...options })
    const { vocabSize } = this.info
    const given = this.#logits
    given.fill(Number.NaN)
    const output = await this.runner.execute(batch, given)
    if (output.kind !== 'logits' || !this.#isFirstRank) return { batch, output, logits: [] }
    const logits = Array.from({ length: batch.numLogits }, (_, index) =>
      given.slice(index * vocabSize, (index + 1) * vocabSize),
    )
    expect(
      logits.every(row => row.every(value => !Number.isNaN(value))),
      'a row of logits was not written, or is NaN',
    )
    return { batch, output, logits }
  }

  /**
   * Feeds sequences by a plan, `plan[sequence][step]` tokens, and gives the logits of every token, `[sequence][token]`.
   * @param others rows that run along and want nothing, by step
   */
  async follow(
    sequences: readonly Sequence[],
    plan: readonly (readonly number[])[],
    options: Partial<BatchOptions> = {},
    others: (step: number) => readonly BatchRow[] = () => [],
  ): Promise<Float32Array[][]> {
    const found: Float32Array[][] = sequences.map(() => [])
    for (let step = 0; step < Math.max(...plan.map(counts => counts.length)); step += 1) {
      const taking = sequences.flatMap((sequence, index) => {
        const count = plan[index]?.[step] ?? 0
        return count === 0 ? [] : [{ index, count, row: this.row(sequence, count, { logitsOf: [0, count] }) }]
      })
      const { output, logits } = await this.step([...taking.map(({ row }) => row), ...others(step)], options)
      expectEqual(output.kind, 'logits', 'output of a step whose logits the engine wants')
      let at = 0
      for (const { index, count } of taking) {
        found[index]?.push(...logits.slice(at, at + count))
        at += count
      }
    }
    return found
  }

  /**
   * Greedy continuations, by the largest logit that is not suppressed. Prompts go in as chunks, running sequences along with
   * them.
   */
  async greedy(prompts: readonly GreedyPrompt[]): Promise<number[][]> {
    const sequences = prompts.map(({ tokenIds }) => this.start(tokenIds))
    for (;;) {
      const rows: { index: number; row: BatchRow }[] = []
      let budget = this.limits.maxNumBatchedTokens
      for (const [index, sequence] of sequences.entries()) {
        const { tokenIds, count } = prompts[index] as GreedyPrompt
        const open = tokenIds.length + count - sequence.tokenIds.length
        const numTokens = Math.min(budget, sequence.tokenIds.length - sequence.numComputed)
        if (open === 0 || numTokens === 0 || rows.length === this.limits.maxNumSeqs) continue
        const samples = sequence.numComputed + numTokens === sequence.tokenIds.length
        rows.push({ index, row: this.row(sequence, numTokens, { samples, row: index }) })
        budget -= numTokens
      }
      if (rows.length === 0) break
      const { logits } = await this.step(rows.map(({ row }) => row))
      for (const [at, { index }] of rows.filter(({ row }) => row.samples).entries()) {
        sequences[index]?.tokenIds.push(largestIndex(logits[at] as Float32Array, prompts[index]?.suppressed))
      }
    }
    this.free(...sequences)
    return sequences.map(({ tokenIds }, index) => tokenIds.slice(prompts[index]?.tokenIds.length))
  }

  /** Numbers of one block (or all) of every layer, `[layer][element]`. */
  async readCache(narrowed: (tensor: Tensor, layer: number) => Tensor = tensor => tensor): Promise<number[][]> {
    const layers: number[][] = []
    for (const [layer, tensor] of this.cache.entries()) {
      const part = narrowed(tensor, layer)
      const host = hostArray(part.dtype, elementsOf(part.shape))
      await this.framework.copyToHost(part, host)
      layers.push(decode(part.dtype, host))
    }
    return layers
  }
}

export interface GreedyPrompt {
  readonly tokenIds: readonly number[]
  /** Tokens to draw. */
  readonly count: number
  readonly suppressed?: ReadonlySet<number>
}

interface SessionParts {
  readonly framework: Framework
  readonly runner: ModelRunner
  readonly info: ModelInfo
  readonly spec: KvCacheSpec
  readonly profile: MemoryProfile
  readonly limits: BatchLimits
  readonly numBlocks: number
  readonly cache: readonly Tensor[]
  readonly progress: { readonly load: readonly number[]; readonly warmup: readonly number[] }
  readonly logitsMemory: Float32Array | undefined
  /** Logits are given by the first rank alone. */
  readonly isFirstRank: boolean
}

/** Index of the largest value; the first of equals. */
export function largestIndex(values: ArrayLike<number>, without?: ReadonlySet<number>): number {
  let best = -1
  for (let index = 0; index < values.length; index += 1) {
    if (without?.has(index)) continue
    if (best === -1 || (values[index] as number) > (values[best] as number)) best = index
  }
  return best
}
