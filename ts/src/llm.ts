// The offline API: prompts in, texts out. It turns calls into requests of one engine; calls made together run together.
// How one is made is its runtime's own: `node-llm.ts`, `web/web-llm.ts`.

import { check } from './config/check.js'
import type { SamplingOptions, SamplingParams } from './config/index.js'
import {
  type BeamSearchOptions,
  beamSearch,
  type CacheInfo,
  type ChatMessage,
  checkMessages,
  type EmbeddingOutput,
  type EmbedInput,
  type EmbedOptions,
  type Engine,
  type EngineRequest,
  type EngineStats,
  type InferObject,
  isSinglePrompt,
  type NormalPrompt,
  normalizePrompt,
  type ObjectOutput,
  type ObjectSchema,
  type PreparedPrompt,
  type Prompt,
  pairsOf,
  preparePrompts,
  type RequestOutput,
  type RequestStream,
  type ScoreOptions,
  type ScoreOutput,
  toJsonSchema,
  toObject,
  toSamplingParams,
} from './engine/index.js'
import { EngineError, InvalidArgumentError, RequestAbortedError } from './errors.js'
import type { Framework } from './plugin/framework.js'
import type { ModelInfo } from './plugin/model-runner.js'

/** What a call may say beside prompts and parameters. */
export interface GenerateOptions {
  /** Aborts the call: its requests leave the engine within one step and the promise rejects with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
  /** Lower runs first, under the scheduling policy 'priority'. Default 0. */
  readonly priority?: number
  /** A progress line on standard error. Default: for several prompts, if that is a terminal. */
  readonly progress?: boolean
}

/** How messages become a prompt. */
export interface ChatOptions extends GenerateOptions {
  /** End the prompt with the beginning of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean
  /** Leave the last message open, to be continued. Default false. */
  readonly continueFinalMessage?: boolean
  /** Another template than the model's own. */
  readonly chatTemplate?: string
  /** Further variables of the template. */
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>>
  /** Tools that the template may describe, in OpenAI's form. */
  readonly tools?: readonly unknown[]
  /** Documents that the template may quote. */
  readonly documents?: readonly unknown[]
}

/** Follows a batch of so many prompts. */
export type WatchBatch = (numPrompts: number) => BatchWatcher

export interface BatchWatcher {
  /** A prompt of the batch is done. */
  advance(numPromptTokens: number, numOutputTokens: number): void
  finish(): void
}

type Params = SamplingParams | SamplingOptions

/** A model, loaded: `await using llm = await LLM.create({ model })`. */
export class LLM {
  readonly #engine: Engine
  readonly #watchBatch: WatchBatch | undefined
  #requests = 0

  /** @param watchBatch draws how far batches are; absent = nobody sees it. */
  protected constructor(engine: Engine, watchBatch?: WatchBatch) {
    this.#engine = engine
    this.#watchBatch = watchBatch
  }

  /** The engine behind it, for what takes one: a server, a chat, bindings to other libraries. */
  get engine(): Engine {
    return this.#engine
  }

  /** What is known of the model. */
  get modelInfo(): ModelInfo {
    return this.#engine.modelInfo
  }

  /** The adapter of the framework that this model runs on; with several ranks, of the first. */
  get framework(): Framework {
    return this.#engine.framework
  }

  /** Blocks and tokens of the KV cache. */
  get cacheInfo(): CacheInfo {
    return this.#engine.cacheInfo
  }

  /** What applies where a call gives no parameters: generation_config.json laid over the defaults. */
  get defaultSamplingParams(): SamplingParams {
    return this.#engine.defaultSamplingParams
  }

  /** Counts since the start, and what there is now. */
  stats(): EngineStats {
    return this.#engine.stats()
  }

  /** Continues one prompt, or many at once; outputs come in the order of the prompts. */
  generate(prompt: Prompt, params?: Params, options?: GenerateOptions): Promise<RequestOutput>
  generate(
    prompts: readonly Prompt[],
    params?: Params | readonly Params[],
    options?: GenerateOptions,
  ): Promise<RequestOutput[]>
  async generate(
    prompts: Prompt | readonly Prompt[],
    params?: Params | readonly Params[],
    options: GenerateOptions = {},
  ): Promise<RequestOutput | RequestOutput[]> {
    if (isSinglePrompt(prompts))
      return (await this.#run([normalizePrompt(prompts)], params, options))[0] as RequestOutput
    return this.#run(Array.from(prompts, normalizePrompt), params, options)
  }

  /** Answers one conversation, or many at once. */
  chat(messages: readonly ChatMessage[], params?: Params, options?: ChatOptions): Promise<RequestOutput>
  chat(
    conversations: readonly (readonly ChatMessage[])[],
    params?: Params | readonly Params[],
    options?: ChatOptions,
  ): Promise<RequestOutput[]>
  async chat(
    messages: readonly ChatMessage[] | readonly (readonly ChatMessage[])[],
    params?: Params | readonly Params[],
    options: ChatOptions = {},
  ): Promise<RequestOutput | RequestOutput[]> {
    const several = Array.isArray(messages) && messages.length > 0 && messages.every(Array.isArray)
    const conversations = (several ? messages : [messages]) as readonly (readonly ChatMessage[])[]
    const prompts = conversations.map((one): NormalPrompt => ({ kind: 'messages', messages: checkMessages(one) }))
    const outputs = await this.#run(prompts, params, options)
    return several ? outputs : (outputs[0] as RequestOutput)
  }

  /**
   * Continues a prompt with JSON that a schema accepts, and gives the value: of a Standard Schema (zod, Valibot, ...) with its
   * type, of a plain JSON schema as unknown. Without `params` it goes on until the object is complete.
   * @throws GrammarError for a schema that is not supported, naming the keyword; ObjectError.
   */
  async generateObject<Schema extends ObjectSchema>(
    prompt: Prompt,
    schema: Schema,
    params?: Params,
    options: ChatOptions = {},
  ): Promise<ObjectOutput<InferObject<Schema>>> {
    const given = params === undefined ? this.defaultSamplingParams.with({ maxTokens: null }) : toSamplingParams(params)
    if (given.n > 1) throw new InvalidArgumentError('n', 'One object is generated at a time: n must be 1.', given.n)
    const structuredOutputs = { ...given.structuredOutputs, json: await toJsonSchema(schema) }
    const [output] = await this.#run([normalizePrompt(prompt)], given.with({ structuredOutputs }), options)
    return toObject(output as RequestOutput, schema)
  }

  /** The likeliest continuations of one prompt, or of many at once, by beam search: `beamWidth` outputs each, best first. */
  beamSearch(prompt: Prompt, search: BeamSearchOptions, options?: ChatOptions): Promise<RequestOutput>
  beamSearch(prompts: readonly Prompt[], search: BeamSearchOptions, options?: ChatOptions): Promise<RequestOutput[]>
  async beamSearch(
    prompts: Prompt | readonly Prompt[],
    search: BeamSearchOptions,
    options: ChatOptions = {},
  ): Promise<RequestOutput | RequestOutput[]> {
    checkOptions(options)
    throwIfAborted(options.signal)
    check.object('search', search)
    const single = isSinglePrompt(prompts)
    const normal = single ? [normalizePrompt(prompts)] : Array.from(prompts, normalizePrompt)
    const prepared = await preparePrompts(this.#engine, normal, options)
    throwIfAborted(options.signal)
    const results = await Promise.allSettled(prepared.map(prompt => this.#search(prompt, search, options)))
    const outputs = outputsOf(results)
    return single ? (outputs[0] as RequestOutput) : outputs
  }

  /** Deltas of one continuation as they come. Breaking the loop, or the signal, frees the request within one step. */
  async *stream(
    prompt: Prompt,
    params?: Params,
    options: ChatOptions = {},
  ): AsyncGenerator<RequestOutput, void, undefined> {
    checkOptions(options)
    throwIfAborted(options.signal)
    const [prepared] = await preparePrompts(this.#engine, [normalizePrompt(prompt)], options)
    const [one] = this.#paramsFor(1, params)
    yield* this.#add(prepared as PreparedPrompt, (one as SamplingParams).with({ outputKind: 'delta' }), options)
  }

  /** The vector of a text or of ids, or of many at once. */
  embed(input: EmbedInput, options?: EmbedOptions): Promise<EmbeddingOutput>
  embed(inputs: readonly EmbedInput[], options?: EmbedOptions): Promise<EmbeddingOutput[]>
  async embed(
    inputs: EmbedInput | readonly EmbedInput[],
    options: EmbedOptions = {},
  ): Promise<EmbeddingOutput | EmbeddingOutput[]> {
    if (Array.isArray(inputs) && typeof inputs[0] !== 'number') return this.#engine.embed(inputs, options)
    return (await this.#engine.embed([inputs as EmbedInput], options))[0] as EmbeddingOutput
  }

  /** How well texts fit each other: one against one, one against many, or each of many against its own. */
  score(text: string, other: string, options?: ScoreOptions): Promise<ScoreOutput>
  score(texts: string | readonly string[], others: readonly string[], options?: ScoreOptions): Promise<ScoreOutput[]>
  async score(
    texts: string | readonly string[],
    others: string | readonly string[],
    options: ScoreOptions = {},
  ): Promise<ScoreOutput | ScoreOutput[]> {
    const outputs = await this.#engine.score(pairsOf(texts, others), options)
    return typeof texts === 'string' && typeof others === 'string' ? (outputs[0] as ScoreOutput) : outputs
  }

  /** Token ids of a text. */
  async tokenize(text: string, addSpecialTokens = true): Promise<number[]> {
    const [ids] = await this.#engine.encode([check.string('text', text)], addSpecialTokens)
    return Array.from(ids as Int32Array)
  }

  /** Text of token ids. */
  detokenize(ids: readonly number[] | Int32Array, skipSpecialTokens = true): string {
    for (const id of check.object('ids', ids)) check.integer('ids', id, -(2 ** 31), 2 ** 31 - 1)
    return this.#engine.decode(ids, skipSpecialTokens)
  }

  /** The prompt that a conversation becomes. */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checkOptions(options)
    return this.#engine.renderChat(checkMessages(messages), options)
  }

  /** Forgets cached prompt beginnings. False while requests run. */
  resetPrefixCache(): Promise<boolean> {
    return this.#engine.resetPrefixCache()
  }

  /** Aborts what runs and frees the model. Later calls throw `ERR_CLOSED`. */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(
    prompts: readonly NormalPrompt[],
    params: Params | readonly Params[] | undefined,
    options: ChatOptions,
  ): Promise<RequestOutput[]> {
    checkOptions(options)
    throwIfAborted(options.signal)
    const perPrompt = this.#paramsFor(prompts.length, params)
    const prepared = await preparePrompts(this.#engine, prompts, options)
    throwIfAborted(options.signal)
    const streams = this.#addAll(prepared, perPrompt, options)
    const progress = (options.progress ?? prompts.length > 1) ? this.#watchBatch?.(prompts.length) : undefined
    const results = await Promise.allSettled(
      streams.map(async stream => {
        const output = await stream.final()
        progress?.advance(
          output.promptTokenIds.length,
          output.outputs.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
        )
        return output
      }),
    )
    progress?.finish()
    return outputsOf(results)
  }

  /** All or none: if one prompt is refused, those before it are taken back. */
  #addAll(
    prompts: readonly PreparedPrompt[],
    params: readonly SamplingParams[],
    options: GenerateOptions,
  ): RequestStream[] {
    const streams: RequestStream[] = []
    try {
      for (const [index, prompt] of prompts.entries()) {
        streams.push(this.#add(prompt, (params[index] as SamplingParams).with({ outputKind: 'final' }), options))
      }
    } catch (error) {
      for (const stream of streams) {
        stream.final().catch(() => {})
        this.#engine.abort(stream.requestId)
      }
      throw error
    }
    return streams
  }

  #search(prompt: PreparedPrompt, search: BeamSearchOptions, options: GenerateOptions): Promise<RequestOutput> {
    const engine = this.#engine
    return beamSearch(
      { ...this.#request(prompt, options), options: search },
      {
        eosTokenIds: engine.modelInfo.eosTokenIds,
        maxModelLen: engine.maxModelLen,
        add: request => engine.add(request),
        decode: engine.hasTokenizer ? (ids, skipSpecialTokens) => engine.decode(ids, skipSpecialTokens) : undefined,
      },
    )
  }

  #add(prompt: PreparedPrompt, params: SamplingParams, options: GenerateOptions): RequestStream {
    return this.#engine.add({ ...this.#request(prompt, options), params })
  }

  #request(prompt: PreparedPrompt, { signal, priority }: GenerateOptions): Omit<EngineRequest, 'params'> {
    this.#requests += 1
    return {
      requestId: `request-${this.#requests}`,
      promptTokenIds: prompt.ids,
      ...(prompt.text !== undefined && { prompt: prompt.text }),
      ...(prompt.cacheSalt !== undefined && { cacheSalt: prompt.cacheSalt }),
      ...(priority !== undefined && { priority }),
      ...(signal !== undefined && { signal }),
    }
  }

  #paramsFor(count: number, params: Params | readonly Params[] | undefined): readonly SamplingParams[] {
    if (!Array.isArray(params)) {
      const one = params === undefined ? this.defaultSamplingParams : toSamplingParams(params as Params)
      return Array.from({ length: count }, () => one)
    }
    if (params.length !== count) {
      throw new InvalidArgumentError(
        'params',
        `There are ${count} prompts but ${params.length} sampling parameters.`,
        params.length,
      )
    }
    return params.map(toSamplingParams)
  }
}

/** @throws InvalidArgumentError, before any request is made. */
function checkOptions(options: ChatOptions): void {
  const { signal, priority, chatTemplate } = check.object('options', options)
  check.optional(check.signal, 'signal', signal)
  check.optional(check.string, 'chatTemplate', chatTemplate)
  if (priority !== undefined) check.integer('priority', priority, -(2 ** 31), 2 ** 31 - 1)
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new RequestAbortedError(undefined, { cause: signal.reason })
}

/** @throws the first error; what the other prompts gave is in its `details`, so that nothing is lost. */
function outputsOf(results: readonly PromiseSettledResult<RequestOutput>[]): RequestOutput[] {
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined) return results.map(result => (result as PromiseFulfilledResult<RequestOutput>).value)
  const error: unknown = failed.reason
  if (results.length === 1 || !(error instanceof EngineError) || error instanceof RequestAbortedError) throw error
  throw new EngineError(error.code, error.message, {
    cause: error,
    details: {
      ...error.details,
      outputs: results.map(result => (result.status === 'fulfilled' ? result.value : undefined)),
      errors: results.map(result => (result.status === 'rejected' ? (result.reason as unknown) : undefined)),
    },
  })
}
