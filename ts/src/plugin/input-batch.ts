// One step's work as flat arrays: the only thing a device sees. The Rust core fills one buffer of 32-bit words; this is the
// typed view over it. Layout version 1; crates/core/src/input_batch holds the same layout with golden words.

import { InternalError } from '../errors.js'

/** Words of the header, in order; then offsets (in words, 0 = absent) of the sections. */
export const layout = {
  magic: 0x42495551,
  version: 1,
  headerWords: 40,
  word: {
    magic: 0,
    version: 1,
    totalWords: 2,
    stepId: 3,
    numTokens: 4,
    numRows: 5,
    numLogits: 6,
    blockTableStride: 7,
    blockSize: 8,
    flags: 9,
    inputIds: 10,
    positions: 11,
    slotMapping: 12,
    queryStartLoc: 13,
    seqLens: 14,
    numComputed: 15,
    blockTables: 16,
    logitsIndices: 17,
    logitsRows: 18,
    sequenceIds: 19,
    rows: 20,
    sampleIndex: 21,
    numDraftTokens: 22,
    temperature: 23,
    topP: 24,
    topK: 25,
    minP: 26,
    seeds: 27,
  },
  flag: { hostSampling: 1, samples: 2 },
} as const

type Section = Exclude<
  keyof typeof layout.word,
  | 'magic'
  | 'version'
  | 'totalWords'
  | 'stepId'
  | 'numTokens'
  | 'numRows'
  | 'numLogits'
  | 'blockTableStride'
  | 'blockSize'
  | 'flags'
>

/**
 * A view over the words of one step. Rows are the scheduled sequences in order; tokens of a row are consecutive.
 * All integers are int32; block 0 is the null block. Sampling columns hold the bits of float32 values.
 */
export class InputBatch {
  /** The whole buffer, header included: copy it to shared memory or post it to a thread as it is. */
  readonly words: Int32Array

  constructor(words: Int32Array) {
    if (words.length < layout.headerWords || words[layout.word.magic] !== layout.magic) {
      throw new InternalError('An InputBatch does not begin with its magic word')
    }
    if (words[layout.word.version] !== layout.version) {
      throw new InternalError(`InputBatch layout ${words[layout.word.version]} is not version ${layout.version}`)
    }
    this.words = words.subarray(0, words[layout.word.totalWords])
  }

  /** Number of the step, counted by the engine. */
  get stepId(): number {
    return this.#header('stepId')
  }
  /** Tokens that the step computes. */
  get numTokens(): number {
    return this.#header('numTokens')
  }
  /** Sequences of the step. */
  get numRows(): number {
    return this.#header('numRows')
  }
  /** Rows of logits that this step needs. */
  get numLogits(): number {
    return this.#header('numLogits')
  }
  /** Blocks per row of `blockTables`. */
  get blockTableStride(): number {
    return this.#header('blockTableStride')
  }
  /** KV slots per block. */
  get blockSize(): number {
    return this.#header('blockSize')
  }
  /** A sampling row needs the stateful sampler: penalties, logprobs, bad words, masks. */
  get hostSampling(): boolean {
    return (this.#header('flags') & layout.flag.hostSampling) !== 0
  }
  /** At least one row samples in this step. */
  get samples(): boolean {
    return (this.#header('flags') & layout.flag.samples) !== 0
  }

  /** `[numTokens]` */
  get inputIds(): Int32Array {
    return this.#section('inputIds', this.numTokens)
  }
  /** `[numTokens]`, position of each token in its sequence */
  get positions(): Int32Array {
    return this.#section('positions', this.numTokens)
  }
  /** `[numTokens]`, KV slot to write (block * blockSize + offset), -1 = none */
  get slotMapping(): Int32Array {
    return this.#section('slotMapping', this.numTokens)
  }
  /** `[numRows + 1]`, first token of each row */
  get queryStartLoc(): Int32Array {
    return this.#section('queryStartLoc', this.numRows + 1)
  }
  /** `[numRows]`, tokens whose KV exists after this step */
  get seqLens(): Int32Array {
    return this.#section('seqLens', this.numRows)
  }
  /** `[numRows]`, tokens whose KV existed before this step */
  get numComputed(): Int32Array {
    return this.#section('numComputed', this.numRows)
  }
  /** `[numRows, blockTableStride]`, padded with block 0 */
  get blockTables(): Int32Array {
    return this.#section('blockTables', this.numRows * this.blockTableStride)
  }
  /** `[numLogits]`, token whose logits are wanted */
  get logitsIndices(): Int32Array {
    return this.#section('logitsIndices', this.numLogits)
  }
  /** `[numLogits]`, row of each of them */
  get logitsRows(): Int32Array {
    return this.#section('logitsRows', this.numLogits)
  }
  /** `[numRows]` */
  get sequenceIds(): Int32Array {
    return this.#section('sequenceIds', this.numRows)
  }
  /** `[numRows]`, an id in `[0, maxNumSeqs)` that a sequence keeps while it runs */
  get rows(): Int32Array {
    return this.#section('rows', this.numRows)
  }
  /** `[numRows]`, index into `logitsIndices` of the position to sample from, -1 = the row does not sample */
  get sampleIndex(): Int32Array {
    return this.#section('sampleIndex', this.numRows)
  }
  /** `[numRows]`, drafts among the row's tokens; undefined without drafts */
  get numDraftTokens(): Int32Array | undefined {
    return this.#optional('numDraftTokens', this.numRows)
  }
  /** `[numRows]`, float32; undefined = all greedy */
  get temperature(): Float32Array | undefined {
    return asFloat(this.#optional('temperature', this.numRows))
  }
  /** `[numRows]`, float32; undefined = all 1 */
  get topP(): Float32Array | undefined {
    return asFloat(this.#optional('topP', this.numRows))
  }
  /** `[numRows]`, 0 = off; undefined = all off */
  get topK(): Int32Array | undefined {
    return this.#optional('topK', this.numRows)
  }
  /** `[numRows]`, float32; undefined = all 0 */
  get minP(): Float32Array | undefined {
    return asFloat(this.#optional('minP', this.numRows))
  }
  /** `[numRows, 2]`, low and high word of each seed; present with `temperature` */
  get seeds(): Int32Array | undefined {
    return this.#optional('seeds', this.numRows * 2)
  }

  #header(word: keyof typeof layout.word): number {
    return this.words[layout.word[word]] as number
  }

  #optional(section: Section, length: number): Int32Array | undefined {
    const offset = this.#header(section)
    return offset === 0 ? undefined : this.words.subarray(offset, offset + length)
  }

  #section(section: Section, length: number): Int32Array {
    const view = this.#optional(section, length)
    if (view === undefined && length === 0) return new Int32Array(0) // nothing to lay down
    if (view === undefined) throw new InternalError(`An InputBatch lacks its section ${section}`)
    return view
  }
}

function asFloat(words: Int32Array | undefined): Float32Array | undefined {
  return words && new Float32Array(words.buffer, words.byteOffset, words.length)
}
