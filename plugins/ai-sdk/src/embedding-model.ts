// An embedding model of the AI SDK over the engine's vectors.

import type { EmbedOptions, Engine } from 'quire-llm'
import type { CallWarning } from './chat-input.js'
import type { SpecificationVersion } from './language-model.js'

export interface EmbedCallOptions {
  readonly values: readonly string[]
  readonly abortSignal?: AbortSignal | undefined
  /** `providerOptions.quire`: options of `Engine.embed`, such as `dimensions`. */
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined
}

export interface EmbedResult {
  embeddings: number[][]
  usage: { tokens: number }
  warnings: CallWarning[]
}

/** The engine's model as an embedding model of the AI SDK. */
export class QuireEmbeddingModel<Version extends SpecificationVersion> {
  /** The version of the AI SDK's specification that it is written for. */
  readonly specificationVersion: Version
  /** Who provides it, in results and traces. */
  readonly provider = 'quire'
  /** What results call the model. */
  readonly modelId: string
  /** The engine batches by itself. */
  readonly maxEmbeddingsPerCall = undefined
  /** Calls that are made together run together. */
  readonly supportsParallelCalls = true
  readonly #engine: Engine

  constructor(engine: Engine, modelId: string, specificationVersion: Version) {
    this.#engine = engine
    this.modelId = modelId
    this.specificationVersion = specificationVersion
  }

  /** @throws NotSupportedError for a model without embeddings, InvalidArgumentError, PromptError. */
  async doEmbed({ values, abortSignal, providerOptions }: EmbedCallOptions): Promise<EmbedResult> {
    const outputs = await this.#engine.embed(values, {
      ...(providerOptions?.quire as EmbedOptions | undefined),
      ...(abortSignal !== undefined && { signal: abortSignal }),
    })
    return {
      embeddings: outputs.map(({ embedding }) => Array.from(embedding)),
      usage: { tokens: outputs.reduce((sum, { promptTokenIds }) => sum + promptTokenIds.length, 0) },
      warnings: [],
    }
  }
}
