// Embeddings of LangChain over the engine's vectors.

import { Embeddings, type EmbeddingsParams } from '@langchain/core/embeddings'
import type { EmbedOptions, Engine, LLM } from 'quire-llm'

/** What embeddings run on, and how vectors are made. */
export interface QuireEmbeddingsFields extends EmbeddingsParams {
  /** What runs the model. It stays the caller's, who closes it. */
  readonly engine: Engine | LLM
  /** Such as `dimensions` and `pooling`. */
  readonly options?: EmbedOptions
}

/** The engine's model as embeddings of LangChain. */
export class QuireEmbeddings extends Embeddings {
  /** How vectors are made. */
  readonly options: EmbedOptions
  readonly #engine: Engine

  constructor({ engine, options = {}, ...params }: QuireEmbeddingsFields) {
    super(params)
    this.options = options
    this.#engine = 'engine' in engine ? engine.engine : engine
  }

  /** @throws NotSupportedError for a model without embeddings, InvalidArgumentError, PromptError. */
  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const outputs = await this.#engine.embed(documents, this.options)
    return outputs.map(({ embedding }) => Array.from(embedding))
  }

  /** @throws as `embedDocuments`. */
  override async embedQuery(document: string): Promise<number[]> {
    const [vector = []] = await this.embedDocuments([document])
    return vector
  }
}
