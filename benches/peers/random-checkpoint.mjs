// A Llama of a given shape with random weights in bfloat16, as a folder in Hugging Face's layout: what it says is noise, what it costs is
// what the shape costs.

import { randomFillSync } from 'node:crypto'
import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Of the shape that 1B Llamas have. */
export const LLAMA_1B = {
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  vocab_size: 128256,
}

const CHUNK = 1 << 22
const ONE = 0x3f80

/** Writes the folder; the tokenizer is that of the folder `texts`, as far as there are rows for it. */
export function writeRandomCheckpoint(folder, shape, texts) {
  mkdirSync(folder, { recursive: true })
  const config = {
    ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_act: 'silu', torch_dtype: 'bfloat16' },
    ...{ max_position_embeddings: 8192, rms_norm_eps: 1e-5, rope_theta: 500000, tie_word_embeddings: true },
    ...{ bos_token_id: 1, eos_token_id: 2, ...shape },
  }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) copyFileSync(join(texts, name), join(folder, name))
  const tensors = tensorsOf(shape)
  let end = 0
  const header = {}
  for (const [name, dimensions] of tensors) {
    const bytes = 2 * dimensions.reduce((a, b) => a * b, 1)
    header[name] = { dtype: 'BF16', shape: dimensions, data_offsets: [end, end + bytes] }
    end += bytes
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = openSync(join(folder, 'model.safetensors'), 'w')
  for (const part of [length, text]) writeSync(file, part)
  const noise = new Uint16Array(CHUNK)
  for (const [, dimensions] of tensors) {
    for (let left = dimensions.reduce((a, b) => a * b, 1); left > 0; left -= CHUNK) {
      const values = noise.subarray(0, Math.min(left, CHUNK))
      if (dimensions.length === 1) values.fill(ONE)
      else {
        randomFillSync(values)
        // A sign, and a size from 2^-7 to 2^-5.
        for (let index = 0; index < values.length; index += 1) values[index] = (values[index] & 0x80ff) | 0x3c00
      }
      writeSync(file, values)
    }
  }
  closeSync(file)
}

function tensorsOf(shape) {
  const { hidden_size: hidden, intermediate_size: inner, head_dim: size } = shape
  const [queries, keys] = [shape.num_attention_heads * size, shape.num_key_value_heads * size]
  const layers = Array.from({ length: shape.num_hidden_layers }, (_, layer) =>
    Object.entries({
      input_layernorm: [hidden],
      'self_attn.q_proj': [queries, hidden],
      'self_attn.k_proj': [keys, hidden],
      'self_attn.v_proj': [keys, hidden],
      'self_attn.o_proj': [hidden, queries],
      post_attention_layernorm: [hidden],
      'mlp.gate_proj': [inner, hidden],
      'mlp.up_proj': [inner, hidden],
      'mlp.down_proj': [hidden, inner],
    }).map(([name, dimensions]) => [`model.layers.${layer}.${name}.weight`, dimensions]),
  )
  return [['model.embed_tokens.weight', [shape.vocab_size, hidden]], ...layers.flat(), ['model.norm.weight', [hidden]]]
}
