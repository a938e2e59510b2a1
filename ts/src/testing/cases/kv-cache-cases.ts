// KV caches: what a runner asks for is what it gets, and it fits the bytes that it told.

import { alignedEntrySize, allocateKvCache } from '../../executor/kv-cache.js'
import type { DTypeName } from '../../plugin/dtype.js'
import type { Tensor } from '../../plugin/framework.js'
import type { KvCacheLayerSpec } from '../../plugin/model-runner.js'
import { contiguousStrides, elementsOf } from '../../plugin/window.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { expect, expectEqual } from '../expectations.js'
import { encode } from '../host-array.js'
import { needDType, read } from './tensor-cases.js'

const group = 'kv cache'
const cpu = { kind: 'cpu', index: 0 } as const

const layouts: readonly {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: DTypeName
  readonly strides: readonly number[]
}[] = [
  { name: 'K and V', shape: [2, 3, 2, 4, 9], dtype: 'float32', strides: [384, 128, 36, 9, 1] },
  { name: 'one latent entry', shape: [3, 16, 576], dtype: 'bfloat16', strides: [10240, 640, 1] },
]

const allocations = layouts.flatMap(({ name, shape, dtype, strides }) =>
  [0, 256].flatMap(alignment =>
    [false, true].map(
      (pinMemory): ConformanceCase => ({
        name: `${name}: ${alignment === 0 ? 'packed' : 'aligned'}${pinMemory ? ', pinned' : ''}`,
        group,
        run: async subject => {
          const framework = await subject.framework()
          needDType(framework, dtype)
          if (pinMemory && !framework.isPinMemoryAvailable()) skip('the framework has no page-locked memory here')
          const device = pinMemory ? cpu : subject.device
          const layer = { dtype, alignment, bytesPerBlock: 0, shape: () => shape }
          const [tensor] = allocateKvCache(framework, { blockSize: 1, layers: [layer] }, 1, device) as [Tensor]
          expectEqual([...tensor.shape], shape, 'shape')
          expectEqual([...tensor.strides], alignment === 0 ? contiguousStrides(shape) : strides, 'strides')
          const elements = elementsOf(shape)
          expectEqual(await read(framework, tensor), encode(dtype, new Array(elements).fill(0)), 'zeroed')
          const values = encode(
            dtype,
            Array.from({ length: elements }, (_, index) => (index % 127) + 1),
          )
          await framework.copyFromHost(tensor, values)
          expectEqual(await read(framework, tensor), values, 'what was written')
          const dim = shape[0] === 2 ? 1 : 0
          await framework.copyBlocks(tensor, Int32Array.of(2, 1))
          expectEqual(
            await read(framework, framework.narrow(tensor, dim, 1, 1)),
            await read(framework, framework.narrow(tensor, dim, 2, 1)),
            'block 1 after block 2 was copied there',
          )
          return undefined
        },
      }),
    ),
  ),
)

export const kvCacheCases: readonly ConformanceCase[] = [
  ...allocations,
  {
    name: "the runner's spec: layers, blocks and bytes agree",
    group,
    run: async subject => {
      const { session, checkpoint } = await subject.tinyModel()
      const { spec, framework, limits } = session
      expectEqual(spec.blockSize, limits.blockSize, 'blockSize')
      expectEqual(spec.layers.length, checkpoint.config.numLayers, 'layers')
      for (const layer of spec.layers) {
        for (const numBlocks of [1, 3, 7]) {
          const bytes = layerBytes(layer, numBlocks, framework.itemSize(layer.dtype))
          expectEqual(numBlocks * layer.bytesPerBlock, bytes, `bytes of ${numBlocks} blocks`)
        }
        const dim = blockDimension(layer)
        expect(dim === 0 || (dim === 1 && layer.shape(3)[0] === 2), `blocks are counted by dimension ${dim}`)
        expectEqual(layer.shape(7)[dim], 7, 'size of the dimension that counts blocks')
      }
      for (const tensor of session.cache) expect(tensor.device.kind === subject.device.kind, 'it lies on the device')
      const { shape, alignment, dtype } = spec.layers[0] as (typeof spec.layers)[0]
      return `[${shape(7)}] of ${dtype} for 7 blocks${alignment === 0 ? '' : `, aligned to ${alignment} bytes`}`
    },
  },
]

/** Bytes that a layer of `numBlocks` blocks takes, alignment included. */
function layerBytes(layer: KvCacheLayerSpec, numBlocks: number, itemSize: number): number {
  const shape = layer.shape(numBlocks)
  if (layer.alignment === 0) return elementsOf(shape) * itemSize
  const entry = alignedEntrySize(elementsOf(shape.slice(2)), itemSize, layer.alignment)
  return elementsOf(shape.slice(0, 2)) * entry * itemSize
}

/** The dimension that counts blocks. */
export function blockDimension(layer: KvCacheLayerSpec): number {
  const [few, many] = [layer.shape(3), layer.shape(7)]
  return few.findIndex((size, dim) => size !== many[dim])
}
