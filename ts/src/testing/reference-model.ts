// What the logits of a runner are compared with: a model in float64 that takes one token at a time. Meant to be read, not to be fast.

import type { Heads, Vector } from './vector-math.js'

/** Sizes that every decoder has. */
export interface DecoderSizes extends Heads {
  /** Token ids. */
  readonly vocabSize: number
  /** Numbers of a hidden state. */
  readonly hiddenSize: number
  /** Numbers within the MLP. */
  readonly intermediateSize: number
  /** Layers. */
  readonly numLayers: number
  /** Tokens of the longest sequence. */
  readonly maxPositionEmbeddings: number
}

/** A weight of a checkpoint. */
export interface Weight {
  readonly shape: readonly number[]
  readonly values: Vector
}

/** By their names in a checkpoint. */
export type Weights = ReadonlyMap<string, Weight>

/** One sequence with its keys and values. */
export interface ReferenceSequence {
  /** Logits after this token, `[vocabSize]`. */
  append(tokenId: number): Vector
  /** What the last logits were made of, `[hiddenSize]`. */
  readonly hidden: Vector
}

/** Tokens that greedy sampling gives, and how clear each choice was. */
export interface GreedyPath {
  /** The tokens. */
  readonly tokenIds: readonly number[]
  /** Smallest lead of the best logit over the second, as a share of the largest. */
  readonly margin: number
}

/** A model in plain double precision, to compare a runner's logits and tokens with. */
export class ReferenceModel {
  readonly #start: () => ReferenceSequence

  /** @param start makes a sequence without tokens */
  constructor(start: () => ReferenceSequence) {
    this.#start = start
  }

  /** Logits after each token, `[tokens][vocabSize]`. */
  logits(tokenIds: readonly number[]): Vector[] {
    const sequence = this.#start()
    return tokenIds.map(tokenId => sequence.append(tokenId))
  }

  /** The last hidden states, `[tokens][hiddenSize]`. */
  hidden(tokenIds: readonly number[]): Vector[] {
    const sequence = this.#start()
    return tokenIds.map(tokenId => {
      sequence.append(tokenId)
      return sequence.hidden
    })
  }

  /** The `count` tokens after a prompt. */
  greedy(promptTokenIds: readonly number[], count: number): GreedyPath {
    const sequence = this.#start()
    const tokenIds: number[] = []
    let margin = Number.POSITIVE_INFINITY
    let logits = promptTokenIds.map(tokenId => sequence.append(tokenId)).at(-1) as Vector
    for (;;) {
      const best = logits.indexOf(Math.max(...logits))
      const [first, second] = [...logits].sort((a, b) => b - a) as [number, number]
      margin = Math.min(margin, (first - second) / largestSize(logits))
      tokenIds.push(best)
      if (tokenIds.length === count) return { tokenIds, margin }
      logits = sequence.append(best)
    }
  }
}

/** The largest absolute value. */
export function largestSize(values: ArrayLike<number>): number {
  return Array.from(values).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
}
