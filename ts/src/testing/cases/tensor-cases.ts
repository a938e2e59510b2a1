// Tensors: making them, and what goes in and comes out.

import type { DTypeName, TypedArray } from '../../plugin/dtype.js'
import type { Framework, Tensor } from '../../plugin/framework.js'
import { contiguousStrides, elementsOf } from '../../plugin/window.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { codeOf, expect, expectCode, expectEqual, expectThrows } from '../expectations.js'
import { encode, hostArray } from '../host-array.js'
import type { PluginSubject } from '../plugin-subject.js'

const group = 'tensors'

/** Values that the type holds exactly. */
const samples: Readonly<Record<DTypeName, readonly number[]>> = {
  float32: [0, 1.5, -2.25, 100, 2 ** -20, 2 ** 100],
  float16: [0, 1.5, -2.25, 100, 2 ** -20, 65504],
  bfloat16: [0, 1.5, -2.25, 100, 2 ** -20, 2 ** 100],
  int8: [0, 1, -2, 127, -128, 5],
  uint8: [0, 1, 2, 255, 128, 5],
  int32: [0, 1, -2, 2 ** 31 - 1, -(2 ** 31), 5],
  int64: [0, 1, -2, 2 ** 40 + 1, -(2 ** 40), 5],
  bool: [0, 1, 1, 0, 1, 0],
}

/** Elements of a tensor, in order, on the host. */
export async function read(framework: Framework, tensor: Tensor): Promise<TypedArray> {
  const host = hostArray(tensor.dtype, elementsOf(tensor.shape))
  await framework.copyToHost(tensor, host)
  return host
}

/** 0, 1, 2, ... */
export function counting(length: number, first = 0): number[] {
  return Array.from({ length }, (_, index) => first + index)
}

/** Skips the case where the framework says that it lacks the type. */
export function needDType(framework: Framework, name: DTypeName): void {
  try {
    framework.dtype(name)
  } catch (error) {
    if (codeOf(error) === 'ERR_NOT_SUPPORTED') skip(`the framework has no ${name}`)
    throw error
  }
}

function tensorCase(
  name: string,
  run: (framework: Framework, subject: PluginSubject) => Promise<void>,
): ConformanceCase {
  return {
    name,
    group,
    run: async subject => {
      await run(await subject.framework(), subject)
      return undefined
    },
  }
}

const byDType = (Object.keys(samples) as DTypeName[]).map(dtype =>
  tensorCase(`elements of ${dtype} come back as they went in`, async (framework, { device }) => {
    needDType(framework, dtype)
    const values = samples[dtype]
    const bits = encode(dtype, values)
    for (const [what, given] of [
      ['from numbers', values],
      ['from host elements', bits],
    ] as const) {
      const tensor = framework.tensor(given, { dtype, device })
      const { shape, strides, offset } = tensor
      const expected = { shape: [values.length], strides: [1], offset: 0 }
      expectEqual({ shape: [...shape], strides: [...strides], offset }, expected, `window of tensor ${what}`)
      expectEqual(tensor.dtype, dtype, 'dtype')
      expectEqual({ ...tensor.device }, { ...device }, 'device')
      expectEqual(await read(framework, tensor), bits, `tensor ${what}`)
    }
    const target = framework.empty([2, 3], { dtype, device })
    await framework.copyFromHost(target, bits)
    expectEqual(await read(framework, target), bits, 'copyFromHost, copyToHost')
    const converted = framework.tensor(Float32Array.of(0, 1), { dtype, device })
    expectEqual(await read(framework, converted), encode(dtype, [0, 1]), 'tensor of a Float32Array')
  }),
)

export const tensorCases: readonly ConformanceCase[] = [
  ...byDType,
  tensorCase('zeros are zero, contiguous, of any number of dimensions', async (framework, { device }) => {
    for (const shape of [[], [1], [5], [2, 3, 4], [2, 1, 3, 2, 2], [3, 0, 2]]) {
      const tensor = framework.zeros(shape, { dtype: 'float32', device })
      expectEqual([...tensor.shape], shape, 'shape')
      if (!shape.includes(0)) expectEqual([...tensor.strides], contiguousStrides(shape), 'strides')
      expectEqual(await read(framework, tensor), new Float32Array(elementsOf(shape)), `zeros of shape [${shape}]`)
    }
  }),
  tensorCase('empty has the shape and takes elements', async (framework, { device }) => {
    const tensor = framework.empty([3, 5], { dtype: 'int32', device })
    expectEqual([[...tensor.shape], [...tensor.strides]], [[3, 5], [5, 1]], 'window') // biome-ignore format: pairs
    await framework.copyFromHost(tensor, Int32Array.from(counting(15)))
    expectEqual(await read(framework, tensor), counting(15), 'elements')
  }),
  tensorCase('half types travel as their bits, infinities and all', async (framework, { device }) => {
    for (const [dtype, bits] of [
      ['float16', [0x3c00, 0xbc00, 0x7bff, 0x0001, 0x8000, 0x7c00, 0xfc00]],
      ['bfloat16', [0x3f80, 0xbf80, 0x7f7f, 0x0080, 0x8000, 0x7f80, 0xff80]],
    ] as const) {
      needDType(framework, dtype)
      const tensor = framework.empty([bits.length], { dtype, device })
      await framework.copyFromHost(tensor, Uint16Array.from(bits))
      expectEqual(await read(framework, tensor), bits, `bits of ${dtype}`)
    }
  }),
  tensorCase('host arrays belong to the caller again after a call', async (framework, { device }) => {
    const data = Float32Array.from(counting(8))
    const made = framework.tensor(data, { dtype: 'float32', device })
    data.fill(-1)
    expectEqual(await read(framework, made), counting(8), 'a tensor, its array written over')
    const filled = framework.empty([8], { dtype: 'float32', device })
    const source = Float32Array.from(counting(8, 10))
    await framework.copyFromHost(filled, source)
    source.fill(-1)
    expectEqual(await read(framework, filled), counting(8, 10), 'a filled tensor, its array written over')
  }),
  tensorCase('host arrays of a wrong length are refused', async (framework, { device }) => {
    const tensor = framework.zeros([2, 3], { dtype: 'float32', device })
    for (const length of [0, 5, 7]) {
      const wrong = new Float32Array(length)
      await expectCode(() => framework.copyFromHost(tensor, wrong), ['ERR_INVALID_ARGUMENT'], `from ${length} elements`)
      await expectCode(() => framework.copyToHost(tensor, wrong), ['ERR_INVALID_ARGUMENT'], `to ${length} elements`)
    }
    expectEqual(await read(framework, tensor), new Float32Array(6), 'the tensor afterwards')
  }),
  tensorCase('shapes that cannot be are refused', async (framework, { device }) => {
    for (const shape of [[-1], [2, -3], [1.5], [Number.NaN]]) {
      expectThrows(
        () => framework.zeros(shape, { dtype: 'float32', device }),
        ['ERR_INVALID_ARGUMENT'],
        `zeros([${shape}])`,
      )
      expectThrows(
        () => framework.empty(shape, { dtype: 'float32', device }),
        ['ERR_INVALID_ARGUMENT'],
        `empty([${shape}])`,
      )
    }
  }),
  tensorCase('a tensor of somebody else is refused', async (framework, { device }) => {
    const foreign: Tensor = { shape: [2], strides: [1], offset: 0, dtype: 'float32', device }
    await expectCode(() => framework.copyToHost(foreign, new Float32Array(2)), ['ERR_INVALID_ARGUMENT'], 'copyToHost')
    await expectCode(() => framework.narrow(foreign, 0, 0, 1), ['ERR_INVALID_ARGUMENT'], 'narrow')
  }),
  tensorCase('blocks are copied', async (framework, { device }) => {
    const tensor = framework.tensor(counting(60), { dtype: 'float32', device })
    const blocks = framework.view(tensor, [5, 4, 3])
    await framework.copyBlocks(blocks, Int32Array.of(1, 3, 1, 4, 2, 0))
    const block = (index: number): number[] => counting(12, 12 * index)
    const expected = [block(2), block(1), block(2), block(1), block(1)].flat()
    expectEqual(await read(framework, blocks), expected, 'blocks 1 to 3, 1 to 4, 2 to 0')
    await framework.copyBlocks(blocks, new Int32Array(0))
    expectEqual(await read(framework, blocks), expected, 'after copying nothing')
  }),
  tensorCase('blocks of a K/V pair are copied in both', async (framework, { device }) => {
    const tensor = framework.tensor(counting(48), { dtype: 'float32', device })
    const pair = framework.view(tensor, [2, 4, 2, 3, 1])
    await framework.copyBlocks(pair, Int32Array.of(3, 1))
    const expected = counting(48)
    for (const half of [0, 24]) expected.splice(half + 6, 6, ...counting(6, half + 18))
    expectEqual(await read(framework, pair), expected, 'block 3 to 1')
  }),
  tensorCase('blocks that are not there are refused', async (framework, { device }) => {
    const blocks = framework.zeros([3, 2, 2], { dtype: 'float32', device })
    for (const pairs of [[0, 3], [3, 0], [-1, 0], [0]]) {
      await expectCode(
        () => framework.copyBlocks(blocks, Int32Array.from(pairs)),
        ['ERR_INVALID_ARGUMENT'],
        `pairs ${pairs}`,
      )
    }
  }),
  tensorCase('page-locked memory where it is told to be', async (framework, { device }) => {
    const pinned = { dtype: 'float32', device: { kind: 'cpu', index: 0 }, pinMemory: true } as const
    if (!framework.isPinMemoryAvailable()) {
      if (device.kind === 'cpu') {
        await expectCode(
          async () => {
            framework.zeros([4], pinned)
            await framework.synchronize()
          },
          ['ERR_NOT_SUPPORTED', 'ERR_INVALID_ARGUMENT'],
          'pinned memory that is not available',
        )
      }
      skip('the framework has no page-locked memory here; it says so')
    }
    const tensor = framework.zeros([4, 3], pinned)
    await framework.copyFromHost(tensor, Float32Array.from(counting(12)))
    expectEqual(await read(framework, tensor), counting(12), 'elements')
    expect(tensor.device.kind === 'cpu', 'pinned memory is host memory')
  }),
]
