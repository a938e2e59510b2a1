// Memory of the device: what is free, what was the most, and what happens when there is none.

import { type ConformanceCase, skip } from '../conformance-case.js'
import { codeOf, expect, expectCode, expectEqual } from '../expectations.js'
import { counting, read } from './tensor-cases.js'

const group = 'memory'
const MEBIBYTE = 2 ** 20

export const memoryCases: readonly ConformanceCase[] = [
  {
    name: 'free and total memory are plausible',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const { freeBytes, totalBytes } = await framework.memoryInfo()
      expect(Number.isSafeInteger(freeBytes) && Number.isSafeInteger(totalBytes), 'bytes are whole numbers')
      expect(freeBytes > 0 && freeBytes <= totalBytes, `${freeBytes} bytes free of ${totalBytes}`)
      expect(totalBytes >= 64 * MEBIBYTE, `a device of ${totalBytes} bytes`)
      const named = await framework.memoryInfo(subject.device)
      expectEqual(named.totalBytes, totalBytes, 'the total of the current device, by its name')
      const show = (bytes: number): string => `${Math.round(bytes / MEBIBYTE)} MiB`
      return `${show(freeBytes)} free of ${show(totalBytes)}`
    },
  },
  {
    name: 'the peak holds what was allocated, and starts again',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const elements = 4 * MEBIBYTE
      const tensor = framework.zeros([elements], { dtype: 'float32', device: subject.device })
      await framework.copyFromHost(tensor, new Float32Array(elements).fill(1))
      await framework.synchronize()
      const peak = await framework.peakMemory()
      expect(peak >= 4 * elements, `a peak of ${peak} bytes with ${4 * elements} allocated`)
      try {
        await framework.resetPeakMemory()
      } catch (error) {
        if (codeOf(error) === 'ERR_NOT_SUPPORTED') skip('the framework cannot reset the peak here; it says so')
        throw error
      }
      const after = await framework.peakMemory()
      expect(after < peak + 4 * elements, `a peak of ${after} bytes after the reset, ${peak} before`)
      expectEqual(await read(framework, framework.narrow(tensor, 0, 0, 2)), [1, 1], 'the tensor afterwards')
      return undefined
    },
  },
  {
    name: 'emptying the cache keeps tensors',
    group,
    run: async subject => {
      const framework = await subject.framework()
      const tensor = framework.tensor(counting(16), { dtype: 'float32', device: subject.device })
      await framework.emptyCache()
      expectEqual(await read(framework, tensor), counting(16), 'elements')
      return undefined
    },
  },
  {
    name: 'more memory than there is: ERR_OUT_OF_MEMORY, and it goes on',
    group,
    run: async subject => {
      const framework = await subject.framework()
      await expectCode(
        async () => {
          framework.zeros([2 ** 20, 2 ** 20, 2 ** 10], { dtype: 'float32', device: subject.device })
          await framework.synchronize()
        },
        ['ERR_OUT_OF_MEMORY'],
        'zeros of 4 PiB',
      )
      await framework.synchronize()
      const tensor = framework.tensor(counting(4), { dtype: 'float32', device: subject.device })
      expectEqual(await read(framework, tensor), counting(4), 'a tensor afterwards')
      return undefined
    },
  },
]
