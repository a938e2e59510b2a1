// Who a plugin says it is, and whether it opens and closes.

import { itemSizeOf } from '../../plugin/dtype.js'
import { SPEC_VERSION } from '../../plugin/framework-plugin.js'
import { checkPlugin } from '../../plugin/registry.js'
import type { ConformanceCase } from '../conformance-case.js'
import { expect, expectEqual } from '../expectations.js'

const group = 'plugin'

export const pluginCases: readonly ConformanceCase[] = [
  {
    name: 'exports what the contract asks for',
    group,
    run: async ({ plugin }) => {
      checkPlugin(plugin, 'conformance')
      expectEqual(plugin.specVersion, SPEC_VERSION, 'specVersion')
      expect(/^[a-z][a-z0-9-]*$/.test(plugin.name), `name '${plugin.name}' is not of lower-case letters, digits and -`)
      expect(Number.isFinite(plugin.priority), 'priority is no number')
      return undefined
    },
  },
  {
    name: 'probe tells devices and capabilities',
    group,
    run: async ({ probe, device, capabilities }) => {
      expect(probe.devices.length > 0, 'it is available, and has no device')
      expect(
        probe.devices.some(({ kind, index }) => kind === device.kind && index === device.index),
        'the device under test is not among its devices',
      )
      expect(capabilities.devices.includes(device.kind), `capabilities.devices lacks ${device.kind}`)
      expect(capabilities.dtypes.length > 0, 'capabilities.dtypes is empty')
      for (const name of capabilities.dtypes) expect(itemSizeOf(name) > 0, `'${name}' is no dtype`)
      expect(capabilities.architectures.length > 0, 'capabilities.architectures is empty')
      const { blockSizes } = capabilities
      expect(
        blockSizes === 'any' || (blockSizes.length > 0 && blockSizes.every(size => Number.isInteger(size) && size > 0)),
        'capabilities.blockSizes is neither any nor a list of sizes',
      )
      return probe.version
    },
  },
  {
    name: 'probes the same twice',
    group,
    run: async ({ plugin, probe }) => {
      const again = await plugin.probe()
      expectEqual(again.devices, probe.devices, 'devices')
      expectEqual(again.capabilities, probe.capabilities, 'capabilities')
      return undefined
    },
  },
  {
    name: 'opens and closes, and opens again',
    group,
    run: async subject => {
      for (let time = 0; time < 2; time += 1) {
        const opened = await subject.open()
        try {
          expect(opened.framework.name.length > 0, 'the framework has no name')
          const tensor = opened.framework.tensor([1, 2, 3], { dtype: 'float32', device: subject.device })
          const host = new Float32Array(3)
          await opened.framework.copyToHost(tensor, host)
          expectEqual(host, [1, 2, 3], 'a tensor')
        } finally {
          await opened.close()
        }
      }
      return undefined
    },
  },
]
