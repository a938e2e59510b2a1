// NumPy as a framework for Quire. This side says what the plugin is; the framework itself is in python/quire_numpy.

import { decoderArchitectures, definePythonPlugin } from '@quire-llm/python-worker'

export const plugin = definePythonPlugin({
  name: 'numpy',
  priority: 1, // below anything faster
  pythonPath: new URL('./python/', import.meta.url),
  module: 'quire_numpy',
  distribution: 'numpy',
  versions: { atLeast: '1.26', below: '3' },
  capabilities: {
    devices: ['cpu'],
    dtypes: ['float32'],
    architectures: decoderArchitectures,
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: false,
  },
  pythonEnvironment: {
    python: { atLeast: '3.10', below: '3.15' },
    installs: () => [{ requirements: new URL('./requirements.txt', import.meta.url) }],
  },
})
