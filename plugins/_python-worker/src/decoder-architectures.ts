// The architectures that quire_worker describes (decoder_config.py), for the capabilities of plugins that run all of them.

/** Architectures that `quire_worker` describes to frameworks, as config.json names them. */
export const decoderArchitectures: readonly string[] = [
  'LlamaForCausalLM',
  'MistralForCausalLM',
  'Qwen2ForCausalLM',
  'Qwen3ForCausalLM',
  'Starcoder2ForCausalLM',
  'OPTForCausalLM',
  'GPT2LMHeadModel',
]
