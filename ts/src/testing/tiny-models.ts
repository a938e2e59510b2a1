// The small random models that the suite writes: their sizes, the names of their weights, and their config.json in transformers' words.

import { type Gpt2Config, Gpt2Sequence } from './gpt2-reference.js'
import { type LlamaConfig, LlamaSequence } from './llama-reference.js'
import type { DecoderSizes, ReferenceSequence, Weights } from './reference-model.js'

/** Architectures of which small checkpoints can be written. */
export type TinyArchitecture = 'LlamaForCausalLM' | 'GPT2LMHeadModel'

/** What may be asked to be other than usual. */
export type TinySizes = Partial<LlamaConfig & Gpt2Config>

/** One architecture, in sizes. */
export interface TinyModelDefinition {
  readonly config: DecoderSizes
  readonly modelType: string
  /** Fields of config.json beside those that every model has. */
  readonly json: Readonly<Record<string, unknown>>
  /** Shapes of the weights by their names. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  start(weights: Weights): ReferenceSequence
}

const usualSizes: DecoderSizes = {
  vocabSize: 97,
  hiddenSize: 64,
  intermediateSize: 96,
  numLayers: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 32,
  maxPositionEmbeddings: 96,
}

export const tinyModels: Readonly<Record<TinyArchitecture, (sizes: TinySizes) => TinyModelDefinition>> = {
  LlamaForCausalLM: tinyLlama,
  GPT2LMHeadModel: tinyGpt2,
}

/** Grouped heads, a vocabulary that is no power of two, a head of another width than hiddenSize / numHeads. */
function tinyLlama(sizes: TinySizes): TinyModelDefinition {
  const config: LlamaConfig = { ...usualSizes, ropeTheta: 10_000, rmsNormEps: 1e-5, tiedEmbeddings: false, ...sizes }
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize } = config
  const shapes = new Map([['model.embed_tokens.weight', [vocabSize, hiddenSize]]])
  for (let layer = 0; layer < config.numLayers; layer += 1) {
    const prefix = `model.layers.${layer}`
    shapes.set(`${prefix}.input_layernorm.weight`, [hiddenSize])
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [numHeads * headDim, hiddenSize])
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [numKvHeads * headDim, hiddenSize])
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [numKvHeads * headDim, hiddenSize])
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [hiddenSize, numHeads * headDim])
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [hiddenSize])
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [intermediateSize, hiddenSize])
    shapes.set(`${prefix}.mlp.up_proj.weight`, [intermediateSize, hiddenSize])
    shapes.set(`${prefix}.mlp.down_proj.weight`, [hiddenSize, intermediateSize])
  }
  shapes.set('model.norm.weight', [hiddenSize])
  if (!config.tiedEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize])
  const json = {
    vocab_size: vocabSize,
    hidden_size: hiddenSize,
    intermediate_size: intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: numHeads,
    num_key_value_heads: numKvHeads,
    head_dim: headDim,
    max_position_embeddings: config.maxPositionEmbeddings,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    rms_norm_eps: config.rmsNormEps,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: config.tiedEmbeddings,
  }
  return { config, modelType: 'llama', json, shapes, start: weights => new LlamaSequence(config, weights) }
}

function tinyGpt2(sizes: TinySizes): TinyModelDefinition {
  const own = { numKvHeads: 4, headDim: 16, intermediateSize: 256, layerNormEps: 1e-5 }
  const config: Gpt2Config = { ...usualSizes, ...own, ...sizes }
  const { hiddenSize, intermediateSize, vocabSize, maxPositionEmbeddings } = config
  const shapes = new Map([
    ['transformer.wte.weight', [vocabSize, hiddenSize]],
    ['transformer.wpe.weight', [maxPositionEmbeddings, hiddenSize]],
  ])
  const norm = (name: string): void => {
    for (const part of ['weight', 'bias']) shapes.set(`transformer.${name}.${part}`, [hiddenSize])
  }
  const projection = (name: string, numInputs: number, numOutputs: number): void => {
    shapes.set(`transformer.${name}.weight`, [numInputs, numOutputs])
    shapes.set(`transformer.${name}.bias`, [numOutputs])
  }
  for (let layer = 0; layer < config.numLayers; layer += 1) {
    norm(`h.${layer}.ln_1`)
    projection(`h.${layer}.attn.c_attn`, hiddenSize, 3 * hiddenSize)
    projection(`h.${layer}.attn.c_proj`, hiddenSize, hiddenSize)
    norm(`h.${layer}.ln_2`)
    projection(`h.${layer}.mlp.c_fc`, hiddenSize, intermediateSize)
    projection(`h.${layer}.mlp.c_proj`, intermediateSize, hiddenSize)
  }
  norm('ln_f')
  const json = {
    vocab_size: vocabSize,
    n_embd: hiddenSize,
    n_inner: intermediateSize,
    n_layer: config.numLayers,
    n_head: config.numHeads,
    n_positions: maxPositionEmbeddings,
    activation_function: 'gelu_new',
    layer_norm_epsilon: config.layerNormEps,
    tie_word_embeddings: true,
  }
  return { config, modelType: 'gpt2', json, shapes, start: weights => new Gpt2Sequence(config, weights) }
}
