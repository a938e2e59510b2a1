// PyTorch as a framework for Quire. This side says what the plugin is; the framework itself is in python/quire_torch.

import { decoderArchitectures, definePythonPlugin } from '@quire-llm/python-worker'

/** Builds without CUDA: what the package index has for Linux carries gigabytes of it. */
const cpuWheels = 'https://download.pytorch.org/whl/cpu'

export const plugin = definePythonPlugin({
  name: 'torch',
  priority: 100,
  pythonPath: new URL('../python/', import.meta.url),
  module: 'quire_torch',
  distribution: 'torch',
  versions: { atLeast: '2.5', below: '3' },
  pythonEnvironment: {
    python: { atLeast: '3.10', below: '3.15' },
    installs: ({ platform, accelerators }) => [
      {
        requirements: new URL('../requirements.txt', import.meta.url),
        ...(platform === 'linux' && accelerators.length === 0 && { arguments: ['--extra-index-url', cpuWheels] }),
      },
    ],
  },
  capabilities: {
    devices: ['cuda', 'npu', 'metal', 'cpu'],
    dtypes: ['float32', 'float16', 'bfloat16'],
    architectures: decoderArchitectures,
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: false,
  },
})
