// A plain GPT-2, in the form of Hugging Face's GPT2LMHeadModel: learned positions, biases, LayerNorm, and projections that a
// checkpoint has as [in, out].

import type { DecoderSizes, ReferenceSequence, Weights } from './reference-model.js'
import { attend, multiply, sum, type Vector } from './vector-math.js'

export interface Gpt2Config extends DecoderSizes {
  readonly layerNormEps: number
}

export class Gpt2Sequence implements ReferenceSequence {
  readonly #config: Gpt2Config
  readonly #weights: Weights
  /** `[layer][position]`, each `[heads * headDim]` */
  readonly #keys: Vector[][]
  readonly #values: Vector[][]
  #position = 0
  hidden: Vector = new Float64Array(0)

  constructor(config: Gpt2Config, weights: Weights) {
    this.#config = config
    this.#weights = weights
    this.#keys = Array.from({ length: config.numLayers }, () => [])
    this.#values = Array.from({ length: config.numLayers }, () => [])
  }

  append(tokenId: number): Vector {
    let hidden = sum(this.#embedding('wte', tokenId), this.#embedding('wpe', this.#position))
    for (let layer = 0; layer < this.#config.numLayers; layer += 1) {
      const prefix = `h.${layer}`
      hidden = sum(hidden, this.#attention(layer, this.#norm(hidden, `${prefix}.ln_1`)))
      const inner = this.#project(`${prefix}.mlp.c_fc`, this.#norm(hidden, `${prefix}.ln_2`)).map(gelu)
      hidden = sum(hidden, this.#project(`${prefix}.mlp.c_proj`, inner))
    }
    this.#position += 1
    this.hidden = this.#norm(hidden, 'ln_f')
    return multiply(this.#weight('wte.weight'), this.hidden)
  }

  #attention(layer: number, input: Vector): Vector {
    const { hiddenSize } = this.#config
    const joined = this.#project(`h.${layer}.attn.c_attn`, input) // query, key, value
    const keys = this.#keys[layer] as Vector[]
    const values = this.#values[layer] as Vector[]
    keys.push(joined.slice(hiddenSize, 2 * hiddenSize))
    values.push(joined.slice(2 * hiddenSize))
    const gathered = attend(joined.slice(0, hiddenSize), keys, values, this.#config)
    return this.#project(`h.${layer}.attn.c_proj`, gathered)
  }

  #embedding(name: string, index: number): Vector {
    const { hiddenSize } = this.#config
    return this.#weight(`${name}.weight`).slice(index * hiddenSize, (index + 1) * hiddenSize)
  }

  #norm(vector: Vector, name: string): Vector {
    const weight = this.#weight(`${name}.weight`)
    const bias = this.#weight(`${name}.bias`)
    const mean = vector.reduce((a, b) => a + b, 0) / vector.length
    const variance = vector.reduce((total, value) => total + (value - mean) ** 2, 0) / vector.length
    const scale = 1 / Math.sqrt(variance + this.#config.layerNormEps)
    return vector.map((value, at) => (value - mean) * scale * (weight[at] as number) + (bias[at] as number))
  }

  #project(name: string, vector: Vector): Vector {
    const weight = this.#weight(`${name}.weight`) // [in, out]
    const bias = this.#weight(`${name}.bias`)
    return bias.map((start, column) =>
      vector.reduce((total, value, row) => total + value * (weight[row * bias.length + column] as number), start),
    )
  }

  #weight(name: string): Vector {
    return this.#weights.get(`transformer.${name}`)?.values as Vector
  }
}

/** The tanh form, https://arxiv.org/abs/1606.08415. */
function gelu(value: number): number {
  return 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)))
}
