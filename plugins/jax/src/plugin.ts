// JAX as a framework for Quire. This side says what the plugin is; the framework itself is in python/quire_jax.

import { homedir } from 'node:os'
import { join } from 'node:path'
import { decoderArchitectures, definePythonPlugin } from '@quire-llm/python-worker'

export const plugin = definePythonPlugin({
  name: 'jax',
  priority: 100,
  pythonPath: new URL('../python/', import.meta.url),
  module: 'quire_jax',
  distribution: 'jax',
  versions: { atLeast: '0.4.30', below: '1' },
  pythonEnvironment: {
    python: { atLeast: '3.11', below: '3.15' },
    installs: () => [{ requirements: new URL('../requirements.txt', import.meta.url) }],
  },
  /** What was compiled once is kept, for every shape and every process. */
  environment: ({ env }) => ({
    JAX_COMPILATION_CACHE_DIR:
      env.JAX_COMPILATION_CACHE_DIR ||
      join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'quire', 'jax'),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS: env.JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS || '0',
  }),
  capabilities: {
    devices: ['tpu', 'cuda', 'cpu'],
    dtypes: ['float32', 'float16', 'bfloat16'],
    architectures: decoderArchitectures,
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: false,
  },
})
