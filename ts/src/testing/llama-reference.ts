// A plain Llama, in the form of Hugging Face's LlamaForCausalLM. https://arxiv.org/abs/2302.13971

import type { DecoderSizes, ReferenceSequence, Weights } from './reference-model.js'
import { attend, dot, multiply, sum, type Vector } from './vector-math.js'

export interface LlamaConfig extends DecoderSizes {
  readonly ropeTheta: number
  readonly rmsNormEps: number
  readonly tiedEmbeddings: boolean
}

export class LlamaSequence implements ReferenceSequence {
  readonly #config: LlamaConfig
  readonly #weights: Weights
  /** `[layer][position]`, each `[kvHeads * headDim]` */
  readonly #keys: Vector[][]
  readonly #values: Vector[][]
  #position = 0
  hidden: Vector = new Float64Array(0)

  constructor(config: LlamaConfig, weights: Weights) {
    this.#config = config
    this.#weights = weights
    this.#keys = Array.from({ length: config.numLayers }, () => [])
    this.#values = Array.from({ length: config.numLayers }, () => [])
  }

  append(tokenId: number): Vector {
    const { hiddenSize, numLayers, tiedEmbeddings } = this.#config
    const embeddings = this.#weight('model.embed_tokens')
    let hidden = embeddings.slice(tokenId * hiddenSize, (tokenId + 1) * hiddenSize)
    for (let layer = 0; layer < numLayers; layer += 1) {
      const prefix = `model.layers.${layer}`
      hidden = sum(hidden, this.#attention(layer, this.#norm(hidden, `${prefix}.input_layernorm`)))
      hidden = sum(hidden, this.#mlp(prefix, this.#norm(hidden, `${prefix}.post_attention_layernorm`)))
    }
    this.#position += 1
    const head = tiedEmbeddings ? embeddings : this.#weight('lm_head')
    this.hidden = this.#norm(hidden, 'model.norm')
    return multiply(head, this.hidden)
  }

  #attention(layer: number, input: Vector): Vector {
    const prefix = `model.layers.${layer}.self_attn`
    const query = this.#rotated(this.#project(`${prefix}.q_proj`, input)) // [heads * headDim]
    const keys = this.#keys[layer] as Vector[]
    const values = this.#values[layer] as Vector[]
    keys.push(this.#rotated(this.#project(`${prefix}.k_proj`, input)))
    values.push(this.#project(`${prefix}.v_proj`, input))
    return this.#project(`${prefix}.o_proj`, attend(query, keys, values, this.#config))
  }

  #mlp(prefix: string, input: Vector): Vector {
    const gate = this.#project(`${prefix}.mlp.gate_proj`, input)
    const up = this.#project(`${prefix}.mlp.up_proj`, input)
    return this.#project(
      `${prefix}.mlp.down_proj`,
      gate.map((value, at) => (value / (1 + Math.exp(-value))) * (up[at] as number)),
    )
  }

  /** Rotary positions, https://arxiv.org/abs/2104.09864: element d turns with element d + headDim / 2. */
  #rotated(vector: Vector): Vector {
    const { headDim, ropeTheta } = this.#config
    const half = headDim / 2
    return vector.map((value, at) => {
      const d = at % headDim
      const angle = this.#position * ropeTheta ** (-(2 * (d % half)) / headDim)
      const partner = d < half ? -(vector[at + half] as number) : (vector[at - half] as number)
      return value * Math.cos(angle) + partner * Math.sin(angle)
    })
  }

  #norm(vector: Vector, name: string): Vector {
    const weight = this.#weight(name)
    const scale = 1 / Math.sqrt(dot(vector, vector) / vector.length + this.#config.rmsNormEps)
    return vector.map((value, at) => value * scale * (weight[at] as number))
  }

  #project(name: string, vector: Vector): Vector {
    return multiply(this.#weight(name), vector)
  }

  #weight(name: string): Vector {
    return this.#weights.get(`${name}.weight`)?.values as Vector
  }
}
