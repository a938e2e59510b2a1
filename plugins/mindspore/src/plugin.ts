// MindSpore as a framework for Quire. This side says what the plugin is; the framework itself is in python/quire_mindspore.

import { decoderArchitectures, definePythonPlugin } from '@quire-llm/python-worker'

export const plugin = definePythonPlugin({
  name: 'mindspore',
  priority: 100,
  pythonPath: new URL('../python/', import.meta.url),
  module: 'quire_mindspore',
  distribution: 'mindspore',
  versions: { atLeast: '2.10', below: '3' },
  pythonEnvironment: {
    python: { atLeast: '3.10', below: '3.13' },
    installs: () => [{ requirements: new URL('../requirements.txt', import.meta.url) }],
  },
  capabilities: {
    devices: ['npu', 'cpu'],
    dtypes: ['float32', 'float16', 'bfloat16'],
    architectures: decoderArchitectures,
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: false,
  },
})
