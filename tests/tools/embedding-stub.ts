// An engine whose vectors a test can foretell, for bindings that pass on what the engine gives.

import { type EmbedInput, type EmbedOptions, type Engine, NotSupportedError } from 'quire-llm'

export interface StubbedEmbeddings {
  readonly engine: Engine
  /** What `embed` was called with. */
  readonly calls: { readonly inputs: readonly EmbedInput[]; readonly options: EmbedOptions }[]
}

/** `engine` with vectors of the length and the first character of each text. Texts that say so are refused. */
export function withEmbeddings(engine: Engine): StubbedEmbeddings {
  const calls: StubbedEmbeddings['calls'] = []
  const embed: Engine['embed'] = async (inputs, options = {}) => {
    calls.push({ inputs, options })
    options.signal?.throwIfAborted()
    return inputs.map(input => {
      const text = String(input)
      if (text === 'refuse') throw new NotSupportedError('This model gives no embeddings.')
      const embedding = Float32Array.of(text.length, text.charCodeAt(0), 0.5)
      return { embedding, promptTokenIds: new Int32Array(text.length) }
    })
  }
  const stubbed = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'embed') return embed
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { engine: stubbed, calls }
}
