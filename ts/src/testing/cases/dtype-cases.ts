// Element types: sizes, limits, and which one to compute in.

import type { Device } from '../../plugin/device.js'
import type { DTypeName, FloatInfo } from '../../plugin/dtype.js'
import { itemSizeOf } from '../../plugin/dtype.js'
import type { Framework } from '../../plugin/framework.js'
import { type ConformanceCase, skip } from '../conformance-case.js'
import { codeOf, expect, expectCode, expectEqual } from '../expectations.js'
import { needDType } from './tensor-cases.js'

const group = 'dtypes'

/** What `torch.finfo` says. */
const limits: Readonly<Partial<Record<DTypeName, FloatInfo>>> = {
  float32: {
    bits: 32,
    eps: 1.1920928955078125e-7,
    max: 3.4028234663852886e38,
    min: -3.4028234663852886e38,
    tiny: 1.1754943508222875e-38,
  },
  float16: { bits: 16, eps: 0.0009765625, max: 65504, min: -65504, tiny: 6.103515625e-5 },
  bfloat16: {
    bits: 16,
    eps: 0.0078125,
    max: 3.3895313892515355e38,
    min: -3.3895313892515355e38,
    tiny: 1.1754943508222875e-38,
  },
}

const names: readonly DTypeName[] = ['float32', 'float16', 'bfloat16', 'int8', 'uint8', 'int32', 'int64', 'bool']

export const dtypeCases: readonly ConformanceCase[] = [
  {
    name: 'half, float and bfloat16 are what they are called',
    group,
    run: async subject => {
      const { half, float, bfloat16 } = await subject.framework()
      expectEqual(pick(half), { name: 'float16', itemSize: 2 }, 'half')
      expectEqual(pick(float), { name: 'float32', itemSize: 4 }, 'float')
      expectEqual(pick(bfloat16), { name: 'bfloat16', itemSize: 2 }, 'bfloat16')
      return undefined
    },
  },
  {
    name: 'sizes of elements',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const lacking: string[] = []
      for (const name of names) {
        try {
          expectEqual(pick(framework.dtype(name)), { name, itemSize: itemSizeOf(name) }, `dtype('${name}')`)
          expectEqual(framework.itemSize(name), itemSizeOf(name), `itemSize('${name}')`)
        } catch (error) {
          if (codeOf(error) !== 'ERR_NOT_SUPPORTED') throw error
          lacking.push(name)
        }
      }
      expect(!lacking.includes('float32') && !lacking.includes('int32'), 'float32 and int32 are a must')
      return lacking.length === 0 ? undefined : `without ${lacking.join(', ')}`
    },
  },
  ...(['float32', 'float16', 'bfloat16'] as const).map(
    (name): ConformanceCase => ({
      name: `limits of ${name}`,
      group,
      run: async subject => {
        const framework = await subject.framework()
        needDType(framework, name)
        const { bits, eps, max, min, tiny } = framework.finfo(name)
        expectEqual({ bits, eps, max, min, tiny }, limits[name], `finfo('${name}')`)
        return undefined
      },
    }),
  ),
  {
    name: 'whole numbers have no limits of floating point',
    group,
    run: async subject => {
      const framework = await subject.framework()
      for (const name of ['int8', 'int32', 'bool'] as const) {
        await expectCode(() => framework.finfo(name), ['ERR_INVALID_ARGUMENT'], `finfo('${name}')`)
      }
      return undefined
    },
  },
  {
    name: 'auto resolves to a type that the runner has',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const { dtypes } = subject.capabilities
      const found: string[] = []
      for (const checkpoint of ['float32', 'float16', 'bfloat16'] as const) {
        const resolved = framework.resolveDType('auto', checkpoint, subject.device)
        expect(dtypes.includes(resolved), `auto for ${checkpoint} gives ${resolved}, which is not in capabilities`)
        found.push(`${checkpoint} -> ${resolved}`)
      }
      return found.join(', ')
    },
  },
  {
    name: 'a type that is asked for is kept, or refused',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const { dtypes } = subject.capabilities
      const refusals = ['ERR_INVALID_ARGUMENT', 'ERR_NOT_SUPPORTED'] as const
      const kept = dtypes.filter(dtype => keeps(framework, dtype, subject.device))
      expect(kept.length > 0, `none of ${dtypes.join(', ')} can be computed in on this device`)
      await expectCode(() => framework.resolveDType('int8', 'float32', subject.device), refusals, 'asked int8')
      const lacking = (['float16', 'bfloat16', 'float32'] as const).find(name => !dtypes.includes(name))
      if (lacking !== undefined) {
        await expectCode(() => framework.resolveDType(lacking, 'float32', subject.device), refusals, `asked ${lacking}`)
      }
      return `keeps ${kept.join(', ')}`
    },
  },
  {
    name: 'a type that it lacks is not supported',
    group,
    run: async subject => {
      const framework = await subject.framework()
      await expectCode(
        () => framework.dtype('float9' as DTypeName),
        ['ERR_NOT_SUPPORTED', 'ERR_INVALID_ARGUMENT'],
        'float9',
      )
      const lacking = names.find(name => {
        try {
          framework.dtype(name)
          return false
        } catch {
          return true
        }
      })
      if (lacking === undefined) skip('the framework has every type')
      await expectCode(
        async () => {
          framework.zeros([1], { dtype: lacking, device: subject.device })
          await framework.synchronize()
        },
        ['ERR_NOT_SUPPORTED'],
        `zeros of ${lacking}`,
      )
      return lacking
    },
  },
]

/** Capabilities are of all devices: one device may lack a type, and says so by a typed error. */
export function keeps(framework: Framework, dtype: DTypeName, device: Device): boolean {
  try {
    expectEqual(framework.resolveDType(dtype, 'float32', device), dtype, `asked ${dtype}`)
    return true
  } catch (error) {
    if (codeOf(error) === 'ERR_INVALID_ARGUMENT' || codeOf(error) === 'ERR_NOT_SUPPORTED') return false
    throw error
  }
}

function pick({ name, itemSize }: { readonly name: string; readonly itemSize: number }): object {
  return { name, itemSize }
}
