// The architectures that quire_worker describes (decoder_config.py), for the capabilities of plugins that run all of them.

export const decoderArchitectures: readonly string[] = [
  'LlamaForCausalLM',
  'MistralForCausalLM',
  'Qwen2ForCausalLM',
  'Qwen3ForCausalLM',
  'Starcoder2ForCausalLM',
  'OPTForCausalLM',
  'GPT2LMHeadModel',
]
