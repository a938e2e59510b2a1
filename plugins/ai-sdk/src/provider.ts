// The provider: models of the AI SDK by name, over one engine in this process.

import { NoSuchModelError } from '@ai-sdk/provider'
import { type Engine, InvalidArgumentError, type LLM } from 'quire-llm'
import { Chat, type ChatOptions } from 'quire-llm/server'
import { QuireEmbeddingModel } from './embedding-model.js'
import { QuireLanguageModel, type SpecificationVersion } from './language-model.js'

/** What a provider runs on, and who reads the model's answers. */
export interface QuireProviderOptions<Version extends SpecificationVersion> extends ChatOptions {
  /** What runs the model. It stays the caller's, who closes it. */
  readonly engine: Engine | LLM
  /** Default `v3`, which `ai` 6 and `ai` 7 take; `v4` is that of `ai` 7, with an effort of reasoning. */
  readonly specificationVersion?: Version
}

/** A provider of the AI SDK over one engine. */
export interface QuireProvider<Version extends SpecificationVersion> {
  /** As `languageModel`. */
  (modelId?: string): QuireLanguageModel<Version>
  /** The version of the AI SDK's specification that it is written for. */
  readonly specificationVersion: Version
  /** The engine has one model: the name is what results say. */
  languageModel(modelId?: string): QuireLanguageModel<Version>
  /** Vectors of the same model, if its framework gives them. */
  embeddingModel(modelId?: string): QuireEmbeddingModel<Version>
  /** There are none. @throws NoSuchModelError. */
  imageModel(modelId: string): never
}

/** @throws InvalidArgumentError for a parser or a version that there is not. */
export function createQuire<Version extends SpecificationVersion = 'v3'>(
  options: QuireProviderOptions<Version>,
): QuireProvider<Version> {
  const { engine: given, specificationVersion = 'v3' as Version, ...chatOptions } = options
  if (!['v3', 'v4'].includes(specificationVersion)) {
    throw new InvalidArgumentError('specificationVersion', 'There are v3 and v4.', specificationVersion)
  }
  const engine = 'engine' in given ? given.engine : given
  const chat = new Chat(engine, chatOptions)
  const languageModel = (modelId = 'quire') => new QuireLanguageModel(chat, modelId, specificationVersion)
  return Object.assign((modelId?: string) => languageModel(modelId), {
    specificationVersion,
    languageModel,
    embeddingModel: (modelId = 'quire') => new QuireEmbeddingModel(engine, modelId, specificationVersion),
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: 'imageModel' })
    },
  })
}
