// How many KV blocks there can be: arithmetic over bytes, without a framework and without a device.

import { OutOfMemoryError } from '../errors.js'
import type { MemoryInfo } from '../plugin/device.js'

export interface CacheSizeInput {
  readonly memory: MemoryInfo
  /** Share of the free memory that may be filled; the weights are already in memory when this is asked. */
  readonly memoryUtilization: number
  /** Activations and scratch that are still to be allocated. */
  readonly activationBytes: number
  /** All layers of one block. */
  readonly bytesPerBlock: number
  readonly blockSize: number
  readonly maxModelLen: number
  /** Slots behind the last token of a sequence: a model that drafts fills them. Default 0. */
  readonly lookaheadTokens?: number
  readonly maxNumSeqs: number
  /** An explicit number of blocks, the null block included. */
  readonly numBlocks: number | undefined
  /** Explicit bytes for the cache. */
  readonly kvCacheMemoryBytes: number | undefined
}

/** Blocks of one sequence of `numTokens` tokens. The token drawn last is never computed, so it needs no slot. */
export function blocksForTokens(numTokens: number, blockSize: number): number {
  return Math.ceil((numTokens - 1) / blockSize)
}

/**
 * KV blocks to allocate, the null block included: what was asked for, else what fits, but no more than `maxNumSeqs` sequences
 * of `maxModelLen` tokens could ever fill.
 * @throws OutOfMemoryError if not even one sequence of `maxModelLen` tokens fits: says what is needed, what there is and what to lower.
 */
export function chooseNumBlocks(input: CacheSizeInput): number {
  const ofOneSequence = blocksForTokens(input.maxModelLen + (input.lookaheadTokens ?? 0), input.blockSize)
  const needed = 1 + ofOneSequence
  const most = 1 + input.maxNumSeqs * ofOneSequence
  const numBlocks = input.numBlocks ?? Math.min(most, blocksThatFit(input))
  if (numBlocks < needed) throw tooSmall(input, numBlocks, needed)
  const bytes = numBlocks * input.bytesPerBlock
  if (bytes > input.memory.totalBytes) {
    throw new OutOfMemoryError(
      `A KV cache of ${numBlocks} blocks takes ${showBytes(bytes)}; this device has ${showBytes(input.memory.totalBytes)} in all. Lower numBlocks or kvCacheMemoryBytes.`,
      { details: { neededBytes: bytes, totalBytes: input.memory.totalBytes, numBlocks } },
    )
  }
  return numBlocks
}

function blocksThatFit(input: CacheSizeInput): number {
  return Math.floor(cacheBytes(input) / input.bytesPerBlock)
}

function cacheBytes({ kvCacheMemoryBytes, memory, memoryUtilization, activationBytes }: CacheSizeInput): number {
  return kvCacheMemoryBytes ?? Math.max(0, Math.floor(memory.freeBytes * memoryUtilization) - activationBytes)
}

function tooSmall(input: CacheSizeInput, numBlocks: number, needed: number): OutOfMemoryError {
  const { bytesPerBlock, blockSize, maxModelLen, lookaheadTokens = 0 } = input
  const neededBytes = needed * bytesPerBlock
  const availableBytes = input.numBlocks === undefined ? cacheBytes(input) : numBlocks * bytesPerBlock
  const fits = numBlocks < 2 ? 0 : Math.min(maxModelLen, (numBlocks - 1) * blockSize + 1 - lookaheadTokens)
  const cure = fits < 2 ? raise(input) : `Lower maxModelLen to ${fits} or less, or ${raise(input)}`
  return new OutOfMemoryError(
    `One sequence of maxModelLen=${maxModelLen} tokens needs ${needed} KV blocks (${showBytes(neededBytes)}), but there is room for ${numBlocks} (${showBytes(availableBytes)}): ${fits} tokens. ${cure}.`,
    {
      details: {
        neededBytes,
        availableBytes,
        neededBlocks: needed,
        availableBlocks: numBlocks,
        maxModelLen,
        maxModelLenThatFits: fits,
      },
    },
  )
}

/** The knob that decided. */
function raise({ numBlocks, kvCacheMemoryBytes }: CacheSizeInput): string {
  if (numBlocks !== undefined) return 'raise numBlocks'
  if (kvCacheMemoryBytes !== undefined) return 'raise kvCacheMemoryBytes'
  return 'raise memoryUtilization, lower maxNumBatchedTokens, or free memory on this machine'
}

/** Bytes as people read them: `12.0 MiB`. */
function showBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
