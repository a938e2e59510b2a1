// JAX as a framework for Quire. This side says what the plugin is; the framework itself is in python/quire_jax.

import { definePythonPlugin } from '@quire-llm/python-worker'

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
  capabilities: {
    devices: ['tpu', 'cuda', 'cpu'],
    dtypes: ['float32', 'float16', 'bfloat16'],
    architectures: [
      'LlamaForCausalLM',
      'MistralForCausalLM',
      'Qwen2ForCausalLM',
      'Qwen3ForCausalLM',
      'Starcoder2ForCausalLM',
      'OPTForCausalLM',
      'GPT2LMHeadModel',
    ],
    quantizations: [],
    blockSizes: 'any',
    deviceSampling: false,
  },
})
