// Grammars of one model: compiled and kept on the other side of the door, followed by sequences, masked while a step runs.

import type { FollowOptions, Grammar, GrammarPool, NativeGrammarSource } from '../../native/native.js'
import { type EngineError, errorFromNative } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'

export type { FollowOptions, Grammar } from '../../native/native.js'
export type GrammarSource = NativeGrammarSource

export interface GrammarsOptions {
  /** Directory of the model's tokenizer. */
  readonly tokenizerPath: string
  /** Logits per row. */
  readonly vocabSize: number
  /** Ids that end a text. */
  readonly eosTokenIds: readonly number[]
  /** Threads that share the rows of a step. */
  readonly threads: number
}

/** A sequence that cannot go on, and why. */
export interface GrammarFailure {
  readonly sequenceId: number
  readonly error: EngineError
}

export class Grammars {
  readonly #native: GrammarPool
  /** Sequences that follow a grammar. */
  readonly #sequences = new Set<number>()

  private constructor(native: GrammarPool) {
    this.#native = native
  }

  /** A second or so for a large vocabulary, off the JavaScript thread. @throws TokenizerError, GrammarError. */
  static async create(native: Native, options: GrammarsOptions): Promise<Grammars> {
    const { tokenizerPath, vocabSize, eosTokenIds, threads } = options
    const tokenizer = unwrap(await native.loadTokenizer(tokenizerPath))
    return new Grammars(
      unwrap(await native.createGrammarPool(tokenizer, { vocabSize, eosIds: [...eosTokenIds], threads })),
    )
  }

  /** Off the JavaScript thread, or at hand if it was compiled before. @throws GrammarError. */
  async compile(source: GrammarSource): Promise<Grammar> {
    return unwrap(await this.#native.compile(source))
  }

  /** Lets `count` sequences from `first` follow a grammar, before their first step. */
  add(first: number, count: number, grammar: Grammar, options: FollowOptions): void {
    unwrap(this.#native.add(first, count, grammar, options))
    for (let id = first; id < first + count; id += 1) this.#sequences.add(id)
  }

  /** Forgets a sequence. Not while a step that has it is in flight. */
  remove(sequenceId: number): void {
    if (this.#sequences.delete(sequenceId)) unwrap(this.#native.remove(sequenceId))
  }

  /** Whether a sequence of the batch follows a grammar. */
  hold(batch: InputBatch): boolean {
    return this.#sequences.size > 0 && batch.sequenceIds.some(id => this.#sequences.has(id))
  }

  /** Computes the masks of a step, off the JavaScript thread. The batch must not change until the promise settles. */
  async prepare(batch: InputBatch): Promise<void> {
    unwrap(await this.#native.prepare(bytesOf(batch.words)))
  }

  /** Sequences whose row of the last step has the token -1 because of their grammar. */
  takeFailures(): GrammarFailure[] {
    return this.#native.takeFailures().map(({ sequenceId, failure }) => ({
      sequenceId,
      error: errorFromNative({ ...failure, details: failure.details ?? {} }),
    }))
  }

  /** For the sampler, which applies the masks. */
  get native(): GrammarPool {
    return this.#native
  }
}
