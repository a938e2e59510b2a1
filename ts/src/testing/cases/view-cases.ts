// Windows of tensors: narrow and view share storage and copy nothing.

import type { DTypeName } from '../../plugin/dtype.js'
import type { Framework, Tensor } from '../../plugin/framework.js'
import { narrowWindow, viewWindow } from '../../plugin/window.js'
import type { ConformanceCase } from '../conformance-case.js'
import { expectEqual, expectThrows } from '../expectations.js'
import { decode, encode } from '../host-array.js'
import type { PluginSubject } from '../plugin-subject.js'
import { counting, needDType, read } from './tensor-cases.js'

function viewCase(name: string, run: (framework: Framework, subject: PluginSubject) => Promise<void>): ConformanceCase {
  return {
    name,
    group: 'tensors',
    run: async subject => {
      await run(await subject.framework(), subject)
      return undefined
    },
  }
}

function windowOf({ shape, strides, offset }: Tensor): object {
  return { shape: [...shape], strides: [...strides], offset }
}

/** A float32 tensor of 0, 1, 2, ... */
function numbered(framework: Framework, { device }: PluginSubject, shape: readonly number[]): Tensor {
  const elements = shape.reduce((product, size) => product * size, 1)
  return framework.view(framework.tensor(counting(elements), { dtype: 'float32', device }), shape)
}

export const viewCases: readonly ConformanceCase[] = [
  viewCase('narrow takes a range of any dimension', async (framework, subject) => {
    const whole = numbered(framework, subject, [4, 6])
    const ranges: readonly (readonly [number, number, number, readonly number[]])[] = [
      [0, 1, 2, counting(12, 6)],
      [1, 2, 3, [2, 3, 4, 8, 9, 10, 14, 15, 16, 20, 21, 22]],
      [-1, 5, 1, [5, 11, 17, 23]],
      [0, 4, 0, []],
      [1, 0, 6, counting(24)],
    ]
    for (const [dim, start, length, expected] of ranges) {
      const part = framework.narrow(whole, dim, start, length)
      const what = `narrow(${dim}, ${start}, ${length})`
      expectEqual(windowOf(part), windowOf(narrowWindow(whole, dim, start, length) as Tensor), what)
      expectEqual(await read(framework, part), expected, what)
    }
    const inner = framework.narrow(framework.narrow(whole, 0, 1, 2), 1, 2, 2)
    expectEqual(windowOf(inner), { shape: [2, 2], strides: [6, 1], offset: 8 }, 'narrow of narrow')
    expectEqual(await read(framework, inner), [8, 9, 14, 15], 'narrow of narrow')
  }),
  viewCase('narrow copies nothing: what is written through one is seen in the other', async (framework, subject) => {
    const whole = numbered(framework, subject, [4, 6])
    const part = framework.narrow(whole, 1, 2, 3)
    await framework.copyFromHost(whole, Float32Array.from(counting(24, 100)))
    expectEqual(
      await read(framework, part),
      [102, 103, 104, 108, 109, 110, 114, 115, 116, 120, 121, 122],
      'the part, after the whole was written',
    )
    await framework.copyFromHost(part, Float32Array.from(counting(12, -12)))
    const expected = counting(24, 100)
    for (let row = 0; row < 4; row += 1) expected.splice(row * 6 + 2, 3, ...counting(3, -12 + row * 3))
    expectEqual(await read(framework, whole), expected, 'the whole, after the part was written')
  }),
  viewCase('narrow outside of a dimension is refused', async (framework, subject) => {
    const whole = numbered(framework, subject, [4, 6])
    for (const [dim, start, length] of [
      [2, 0, 1],
      [-3, 0, 1],
      [0, 3, 2],
      [0, -1, 1],
      [0, 0, -1],
      [0.5, 0, 1],
    ] as const) {
      const what = `narrow(${dim}, ${start}, ${length})`
      expectThrows(() => framework.narrow(whole, dim, start, length), ['ERR_INVALID_ARGUMENT'], what)
    }
  }),
  viewCase('view gives the same elements another shape', async (framework, subject) => {
    const whole = numbered(framework, subject, [2, 3, 4])
    for (const shape of [[24], [6, 4], [2, 12], [2, 3, 2, 2], [1, 24, 1], [2, -1], [-1]]) {
      const viewed = framework.view(whole, shape)
      expectEqual(windowOf(viewed), windowOf(viewWindow(whole, shape) as Tensor), `view([${shape}])`)
      expectEqual(await read(framework, viewed), counting(24), `view([${shape}])`)
    }
    const strided = framework.narrow(numbered(framework, subject, [2, 3, 8]), 2, 1, 6)
    const viewed = framework.view(strided, [2, 3, 2, 3])
    expectEqual(windowOf(viewed), { shape: [2, 3, 2, 3], strides: [24, 8, 3, 1], offset: 1 }, 'view of a part')
    const expected = counting(6).flatMap(row => counting(6, row * 8 + 1))
    expectEqual(await read(framework, viewed), expected, 'view of a part')
    await framework.copyFromHost(viewed, Float32Array.from(counting(36, 500)))
    expectEqual(await read(framework, strided), counting(36, 500), 'the part, after its view was written')
  }),
  viewCase('view that would need a copy, or other elements, is refused', async (framework, subject) => {
    const whole = numbered(framework, subject, [4, 8])
    const part = framework.narrow(whole, 1, 0, 6)
    const refused: readonly (readonly [string, Tensor, readonly number[]])[] = [
      ['joins what padding divides', part, [24]],
      ['cuts across rows', part, [2, 4, 3]],
      ['has too few elements', whole, [4, 7]],
      ['has too many elements', whole, [33]],
      ['infers two sizes', whole, [-1, -1]],
      ['infers a size that is no integer', whole, [5, -1]],
    ]
    for (const [what, tensor, shape] of refused) {
      expectThrows(() => framework.view(tensor, shape), ['ERR_INVALID_ARGUMENT'], `a view that ${what}`)
    }
  }),
  viewCase(
    'a padded cache entry: (3, 16, 576) of half elements in steps of 10240, 640, 1',
    async (framework, subject) => {
      const dtype: DTypeName = 'float16'
      needDType(framework, dtype)
      const allocated = framework.zeros([3, 16, 640], { dtype, device: subject.device })
      const narrowed = framework.narrow(allocated, 2, 0, 576)
      const entry = framework.view(narrowed, [3, 16, 576])
      expectEqual(windowOf(entry), { shape: [3, 16, 576], strides: [10240, 640, 1], offset: 0 }, 'window')
      const heads = framework.view(narrowed, [3, 16, 9, 64])
      expectEqual([...heads.strides], [10240, 640, 64, 1], 'strides of heads')
      const bits = Uint16Array.from({ length: 3 * 16 * 576 }, (_, index) => 0x2c00 + (index % 4096))
      await framework.copyFromHost(entry, bits)
      expectEqual(await read(framework, heads), bits, 'what comes out')
      const base = decode(dtype, await read(framework, allocated))
      const padding = Array.from({ length: 48 }, (_, row) => base.slice(row * 640 + 576, (row + 1) * 640))
      expectEqual(padding.flat(), new Array(48 * 64).fill(0), 'the padding')
      await framework.copyBlocks(entry, Int32Array.of(2, 0))
      const block = await read(framework, framework.narrow(entry, 0, 0, 1))
      expectEqual(block, bits.slice(2 * 16 * 576), 'block 0 after block 2 was copied there')
      expectEqual(
        (await read(framework, allocated)).slice(576, 640),
        encode(dtype, new Array(64).fill(0)),
        'its padding',
      )
    },
  ),
]
