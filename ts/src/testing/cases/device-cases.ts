// Devices: how many there are, which one is current.

import type { Device } from '../../plugin/device.js'
import type { ConformanceCase } from '../conformance-case.js'
import { expect, expectCode, expectEqual } from '../expectations.js'

const group = 'devices'
const refusals = ['ERR_NOT_SUPPORTED', 'ERR_INVALID_ARGUMENT'] as const

export const deviceCases: readonly ConformanceCase[] = [
  {
    name: 'the device that was opened is there and current',
    group,
    run: async subject => {
      const framework = await subject.framework()
      expect(framework.deviceCount() >= 1, `deviceCount() is ${framework.deviceCount()}`)
      framework.setDevice(subject.device)
      const { kind, index } = framework.currentDevice()
      expectEqual({ kind, index }, { kind: subject.device.kind, index: subject.device.index }, 'currentDevice()')
      return `${framework.deviceCount()} of ${kind}`
    },
  },
  {
    name: 'a device that is not there is refused',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const absent: Device = { kind: subject.device.kind, index: 99 }
      await expectCode(() => framework.setDevice(absent), refusals, 'setDevice')
      await expectCode(
        async () => {
          framework.zeros([1], { dtype: 'float32', device: absent })
          await framework.synchronize()
        },
        refusals,
        'zeros',
      )
      await expectCode(() => framework.memoryInfo(absent), refusals, 'memoryInfo')
      const { kind, index } = framework.currentDevice()
      expectEqual({ kind, index }, { kind: subject.device.kind, index: subject.device.index }, 'the current one stays')
      return undefined
    },
  },
  {
    name: 'synchronize ends, and seeds of 64 bits are taken',
    group,
    run: async subject => {
      const framework = await subject.framework()
      for (const seed of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]) framework.manualSeed(seed)
      await framework.synchronize()
      return undefined
    },
  },
]
