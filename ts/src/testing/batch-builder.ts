// Writes input batches in TypeScript, by the layout of plugin/input-batch.ts. Only what a test wants to try is here; the engine's
// batches come from the Rust core.

import { InputBatch, layout } from '../plugin/input-batch.js'

/** How the token of a row is drawn. */
export interface RowSampling {
  /** 0 = greedy. Default 0. */
  readonly temperature?: number
  /** Default 1: off. */
  readonly topP?: number
  /** Default 0: off. */
  readonly topK?: number
  /** Default 0: off. */
  readonly minP?: number
  /** Default 0. */
  readonly seed?: bigint
}

/** The tokens of one sequence in one step. */
export interface BatchRow {
  /** Names the sequence over the steps. */
  readonly sequenceId: number
  /** Stable row id. Default its index in the batch. */
  readonly row?: number
  /** Tokens that this step computes. */
  readonly tokenIds: readonly number[]
  /** Tokens of the sequence that earlier steps computed. */
  readonly numComputed: number
  /** Covers `numComputed + tokenIds.length` positions. */
  readonly blockTable: readonly number[]
  /** Draw from the last token. Default false. */
  readonly samples?: boolean
  /** Tokens of the row, from and to, whose logits are wanted beside the one that is drawn from. */
  readonly logitsOf?: readonly [number, number]
  /** Default greedy. */
  readonly sampling?: RowSampling
  /** Store no keys and values. Default false. */
  readonly skipsSlots?: boolean
}

/** Facts of the step as a whole. */
export interface BatchOptions {
  /** KV slots per block. */
  readonly blockSize: number
  /** Number of the step. Default 0. */
  readonly stepId?: number
  /** The engine will sample from logits. Default true. */
  readonly hostSampling?: boolean
  /** Columns of the block tables; more than the longest row needs are padding. Default what the longest row has. */
  readonly blockTableStride?: number
}

/** Sections start at multiples of 64 bytes. */
const SECTION_ALIGNMENT_WORDS = 16

/** One buffer of words that holds the rows. */
export function buildInputBatch(rows: readonly BatchRow[], options: BatchOptions): InputBatch {
  const stride = options.blockTableStride ?? Math.max(0, ...rows.map(row => row.blockTable.length))
  const columns = columnsOf(rows, options.blockSize, stride)
  const { word, flag } = layout
  const header = new Int32Array(layout.headerWords)
  const { length: numTokens } = columns.inputIds
  header[word.magic] = layout.magic
  header[word.version] = layout.version
  header[word.stepId] = options.stepId ?? 0
  header[word.numTokens] = numTokens
  header[word.numRows] = rows.length
  header[word.numLogits] = columns.logitsIndices.length
  header[word.blockTableStride] = stride
  header[word.blockSize] = options.blockSize
  header[word.flags] =
    (options.hostSampling === false ? 0 : flag.hostSampling) | (rows.some(row => row.samples) ? flag.samples : 0)
  let end = aligned(layout.headerWords)
  for (const [name, values] of Object.entries(columns) as [keyof Columns, readonly number[]][]) {
    if (values.length === 0) continue
    header[word[name]] = end
    end = aligned(end + values.length)
  }
  header[word.totalWords] = end
  const words = new Int32Array(end)
  words.set(header)
  for (const [name, values] of Object.entries(columns) as [keyof Columns, readonly number[]][]) {
    words.set(values, values.length === 0 ? 0 : header[word[name]])
  }
  return new InputBatch(words)
}

/** Sections in the order in which they lie. */
interface Columns {
  readonly inputIds: number[]
  readonly positions: number[]
  readonly slotMapping: number[]
  readonly queryStartLoc: number[]
  readonly seqLens: number[]
  readonly numComputed: number[]
  readonly blockTables: number[]
  readonly logitsIndices: number[]
  readonly logitsRows: number[]
  readonly sequenceIds: number[]
  readonly rows: number[]
  readonly sampleIndex: number[]
  readonly temperature: number[]
  readonly topP: number[]
  readonly topK: number[]
  readonly minP: number[]
  readonly seeds: number[]
}

function columnsOf(rows: readonly BatchRow[], blockSize: number, stride: number): Columns {
  const columns: Columns = {
    inputIds: [],
    positions: [],
    slotMapping: [],
    queryStartLoc: [0],
    seqLens: rows.map(row => row.numComputed + row.tokenIds.length),
    numComputed: rows.map(row => row.numComputed),
    blockTables: rows.flatMap(({ blockTable }) => [
      ...blockTable,
      ...new Array<number>(stride - blockTable.length).fill(0),
    ]),
    logitsIndices: [],
    logitsRows: [],
    sequenceIds: rows.map(row => row.sequenceId),
    rows: rows.map((row, index) => row.row ?? index),
    sampleIndex: [],
    ...samplingColumns(rows.map(row => (row.samples ? (row.sampling ?? {}) : {}))),
  }
  for (const [index, row] of rows.entries()) appendRow(columns, row, index, blockSize)
  return columns
}

function appendRow(columns: Columns, row: BatchRow, index: number, blockSize: number): void {
  const first = columns.inputIds.length
  for (const [at, tokenId] of row.tokenIds.entries()) {
    const position = row.numComputed + at
    const block = row.blockTable[Math.floor(position / blockSize)] as number
    columns.inputIds.push(tokenId)
    columns.positions.push(position)
    columns.slotMapping.push(row.skipsSlots ? -1 : block * blockSize + (position % blockSize))
  }
  const last = columns.inputIds.length
  columns.queryStartLoc.push(last)
  const [from, to] = row.logitsOf ?? [0, 0]
  const wanted = Array.from({ length: to - from }, (_, at) => first + from + at)
  if (row.samples && wanted.at(-1) !== last - 1) wanted.push(last - 1)
  columns.logitsIndices.push(...wanted)
  columns.logitsRows.push(...wanted.map(() => index))
  columns.sampleIndex.push(row.samples ? columns.logitsIndices.length - 1 : -1)
}

/** A column is absent where every row has its default; seeds come with temperatures. */
function samplingColumns(
  rows: readonly RowSampling[],
): Pick<Columns, 'temperature' | 'topP' | 'topK' | 'minP' | 'seeds'> {
  const temperature = rows.map(row => row.temperature ?? 0)
  const topP = rows.map(row => row.topP ?? 1)
  const topK = rows.map(row => row.topK ?? 0)
  const minP = rows.map(row => row.minP ?? 0)
  const draws = temperature.some(value => value !== 0)
  return {
    temperature: draws ? temperature.map(floatBits) : [],
    topP: topP.some(value => value !== 1) ? topP.map(floatBits) : [],
    topK: topK.some(value => value !== 0) ? topK : [],
    minP: minP.some(value => value !== 0) ? minP.map(floatBits) : [],
    seeds: draws ? rows.flatMap(({ seed = 0n }) => [lowWord(seed), lowWord(seed >> 32n)]) : [],
  }
}

function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value))
}

function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0] as number
}

function aligned(words: number): number {
  return Math.ceil(words / SECTION_ALIGNMENT_WORDS) * SECTION_ALIGNMENT_WORDS
}
