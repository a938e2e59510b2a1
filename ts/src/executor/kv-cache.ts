// Allocates the KV cache of one rank, layer by layer, through the Framework. It knows shapes and bytes, no model and no request.

import type { Device } from '../plugin/device.js'
import { itemSizeOf } from '../plugin/dtype.js'
import type { Framework, Tensor } from '../plugin/framework.js'
import type { KvCacheSpec } from '../plugin/model-runner.js'

/** Bytes to which an aligned entry is rounded up: what Ascend's kernels load at once. */
const ALIGNMENT_BYTES = 256

/**
 * Entries (elements of one block) after rounding their bytes up to a multiple of 256.
 * (576 entries, 2 bytes) -> 640; (64, 4) -> 64; (1, 2) -> 128.
 */
export function alignedEntrySize(entrySize: number, itemSizeBytes: number, alignmentBytes = ALIGNMENT_BYTES): number {
  const alignedBytes = Math.ceil((entrySize * itemSizeBytes) / alignmentBytes) * alignmentBytes
  return alignedBytes / itemSizeBytes
}

/**
 * One zeroed tensor per layer, of the shape that the runner's spec has for `numBlocks` blocks. An entry is what follows the
 * first two dimensions. Where the spec asks for alignment, entries are allocated rounded up, narrowed back and viewed: each
 * starts aligned, the shape is the asked one. Memory is pinned only on a CPU device where the framework has it.
 * @throws OutOfMemoryError when the device has no room.
 */
export function allocateKvCache(framework: Framework, spec: KvCacheSpec, numBlocks: number, device: Device): Tensor[] {
  const pinMemory = device.kind === 'cpu' && framework.isPinMemoryAvailable()
  return spec.layers.map(({ dtype, alignment, shape: shapeFor }) => {
    const shape = shapeFor(numBlocks)
    const options = { dtype, device, pinMemory }
    if (alignment === 0) return framework.zeros(shape, options)
    const entrySize = shape.slice(2).reduce((product, size) => product * size, 1)
    const aligned = alignedEntrySize(entrySize, itemSizeOf(dtype), alignment)
    const allocated = framework.zeros([...shape.slice(0, 2), aligned], options) // [.., .., aligned]
    const entries = aligned === entrySize ? allocated : framework.narrow(allocated, 2, 0, entrySize) // [.., .., entry], strided
    return framework.view(entries, shape) // as the runner wants it
  })
}
