// Text to ids and back, and conversations to prompts: a tokenizer and a chat template of one model.

import type { ChatTemplate, NativeRenderOptions, Tokenizer } from '../../native/native.js'
import { InvalidArgumentError, TokenizerError } from '../errors.js'
import type { Native } from './native.js'
import { bytesOf, unwrap } from './outcome.js'
import { WorkQueue } from './work-queue.js'

/** Compiled templates that are kept: callers may bring one per call. */
const MOST_TEMPLATES = 16

/** Texts and their characters up to which they are encoded in this thread: less work than waking another one. */
const FEW = 16
const SHORT = 1 << 11
/** Characters, ids or bytes of JSON from which on work leaves this thread. */
const LONG = 1 << 15
/** The same, from which on work waits for its turn among what is as long, so that shorter work does not. */
const VERY_LONG = 1 << 18

/** Why a tokenizer was not loaded: the reason in the details of the error. */
const UNREADABLE = 'ERR_TOKENIZER_READ'

/** How messages become a prompt. */
export interface RenderOptions {
  readonly addGenerationPrompt?: boolean
  readonly continueFinalMessage?: boolean
  /** Another template than the model's own. */
  readonly chatTemplate?: string
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>>
  readonly tools?: readonly unknown[]
  readonly documents?: readonly unknown[]
}

/** Most tokens of an input, special tokens included; `fromLeft` drops the first tokens, else the tokenizer's side. */
export interface PooledLimit {
  readonly maxTokens: number
  readonly fromLeft?: boolean
}

/** Ids, and which text of a pair each belongs to. */
export interface PooledInput {
  readonly tokenIds: Int32Array
  readonly tokenTypes: Int32Array
}

/** What a thread must have that turns ids into text and messages into prompts, while another one reads texts. */
export interface TextTables {
  readonly tables: Uint8Array
  /** The model's own chat template for conversations with or without tools. @throws ChatTemplateError. */
  sourceOf(hasTools: boolean): string
}

export class Text {
  readonly tokenizer: Tokenizer
  readonly #native: Native
  readonly #sourceOf: (hasTools: boolean) => string
  readonly #override: string | undefined
  /** Compiled templates by their source. */
  readonly #templates = new Map<string, ChatTemplate>()
  /** The model's own templates, with tools and without. */
  readonly #sources = new Map<boolean, string>()
  /** One thread of the pool for each of both: steps of the model need the others. */
  readonly #work = new WorkQueue(1)
  readonly #longWork = new WorkQueue(1)
  #longestToken: number | undefined

  private constructor(
    native: Native,
    tokenizer: Tokenizer,
    sourceOf: (hasTools: boolean) => string,
    override: string | undefined,
  ) {
    this.#native = native
    this.tokenizer = tokenizer
    this.#sourceOf = sourceOf
    this.#override = override
  }

  /** Reads tokenizer.json and what lies beside it, or a GGUF file, off the JavaScript thread. @throws TokenizerError. */
  static async load(native: Native, directory: string, chatTemplate: string | undefined): Promise<Text> {
    const loaded = await native.loadTokenizer(directory)
    const sourceOf = (hasTools: boolean) => unwrap(native.chatTemplateSource(directory, hasTools))
    try {
      return new Text(native, unwrap(loaded), sourceOf, chatTemplate)
    } catch (error) {
      throw error instanceof TokenizerError && error.details.reason === UNREADABLE ? withWaysOut(error) : error
    }
  }

  /** Of what `decoderTables` of another thread gave: all but `encode`, `encodePooled` and `badWordIds`. @throws TokenizerError. */
  static ofTables(native: Native, { tables, sourceOf }: TextTables, chatTemplate: string | undefined): Text {
    return new Text(native, unwrap(native.tokenizerOfTables(bytesOf(tables))), sourceOf, chatTemplate)
  }

  /** For `ofTables`; undefined where only the whole tokenizer decodes. */
  decoderTables(): Uint8Array | undefined {
    const tables = this.tokenizer.decoderTables() ?? undefined
    if (tables === undefined) return undefined
    const bytes = new Uint8Array(tables.numBytes())
    unwrap(tables.read(bytesOf(bytes)))
    return bytes
  }

  /**
   * Ids of many texts, in one call; off the JavaScript thread unless they are short. It is not begun once `signal` is aborted.
   * @throws TokenizerError, RequestAbortedError.
   */
  async encode(texts: readonly string[], addSpecialTokens: boolean, signal?: AbortSignal): Promise<Int32Array[]> {
    const encode = () => this.tokenizer.encode([...texts], addSpecialTokens)
    const length = lengthOf(texts)
    const encoded = unwrap(
      texts.length <= FEW && length <= SHORT
        ? this.tokenizer.encodeShort([...texts], addSpecialTokens)
        : await this.#inTurn(length, encode, signal),
    )
    const offsets = new Uint32Array(texts.length + 1)
    const ids = new Int32Array(encoded.numTokens())
    unwrap(encoded.read(bytesOf(offsets), bytesOf(ids)))
    return texts.map((_, index) => ids.subarray(offsets[index], offsets[index + 1]))
  }

  /**
   * Texts, or texts and what is set against each, as encoders take them: with special tokens, cut to the limit within them.
   * @throws TokenizerError, RequestAbortedError.
   */
  async encodePooled(
    texts: readonly string[],
    pairs: readonly string[],
    limit: PooledLimit | undefined,
    signal?: AbortSignal,
  ): Promise<PooledInput[]> {
    const encode = () => this.tokenizer.encodePooled([...texts], [...pairs], limit)
    const encoded = unwrap(await this.#inTurn(lengthOf(texts) + lengthOf(pairs), encode, signal))
    const offsets = new Uint32Array(texts.length + 1)
    const [ids, types] = [new Int32Array(encoded.numTokens()), new Int32Array(encoded.numTokens())]
    unwrap(encoded.read(bytesOf(offsets), bytesOf(ids), bytesOf(types)))
    return texts.map((_, index) => ({
      tokenIds: ids.subarray(offsets[index], offsets[index + 1]),
      tokenTypes: types.subarray(offsets[index], offsets[index + 1]),
    }))
  }

  /** @throws TokenizerError. */
  decode(ids: ArrayLike<number>, skipSpecialTokens: boolean): string {
    return unwrap(this.tokenizer.decode(toInt32(ids), skipSpecialTokens))
  }

  /** The same of any number of ids: many are decoded off the JavaScript thread. @throws TokenizerError, RequestAbortedError. */
  async decodeMany(ids: ArrayLike<number>, skipSpecialTokens: boolean, signal?: AbortSignal): Promise<string> {
    if (ids.length < LONG) return this.decode(ids, skipSpecialTokens)
    const decode = () => this.tokenizer.decodeMany(toInt32(ids), skipSpecialTokens)
    return unwrap(await this.#inTurn(ids.length, decode, signal))
  }

  /** Characters that no token has more of. */
  get longestToken(): number {
    this.#longestToken ??= this.tokenizer.longestTokenBytes()
    return this.#longestToken
  }

  /** Where the tokenizer's configuration cuts texts that are too long. */
  get truncationSide(): 'left' | 'right' {
    return this.tokenizer.truncatesLeft() ? 'left' : 'right'
  }

  /** Ids that a word to be avoided has, bare and after a space; later where another thread tokenizes. @throws TokenizerError. */
  badWordIds(words: readonly string[]): number[][] | Promise<number[][]> {
    return words.length === 0 ? [] : unwrap(this.tokenizer.badWordIds([...words]))
  }

  /** The text of one id, with the help of those before it where its bytes are a part of a character. */
  decodedToken(earlierIds: ArrayLike<number>, tokenId: number): string {
    return unwrap(this.tokenizer.decodedToken(toInt32(earlierIds), tokenId))
  }

  /** The prompt that messages become, at a moment for templates that print the date. @throws ChatTemplateError. */
  render(messages: readonly unknown[], options: RenderOptions, now: Date): string {
    return unwrap(this.#template(options).render(toJson('messages', messages), toNative(options, now)))
  }

  /**
   * The same of any length: long conversations are rendered off the JavaScript thread, which is not begun once `signal` is
   * aborted.
   * @throws ChatTemplateError, RequestAbortedError.
   */
  async renderLong(
    messages: readonly unknown[],
    options: RenderOptions,
    now: Date,
    signal?: AbortSignal,
  ): Promise<string> {
    const template = this.#template(options)
    const [json, native] = [toJson('messages', messages), toNative(options, now)]
    const length = json.length + lengthOf([native.tools ?? '', native.documents ?? '', native.kwargs ?? ''])
    if (length < LONG) return unwrap(template.render(json, native))
    return unwrap(await this.#inTurn(length, () => template.renderLong(json, native), signal))
  }

  #inTurn<T>(length: number, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (length <= SHORT) return work()
    return (length < VERY_LONG ? this.#work : this.#longWork).run(work, signal)
  }

  /** The template of conversations with or without tools: the engine's, else the model's. @throws ChatTemplateError. */
  templateSource(hasTools: boolean): string {
    if (this.#override !== undefined) return this.#override
    const known = this.#sources.get(hasTools)
    if (known !== undefined) return known
    const source = this.#sourceOf(hasTools)
    this.#sources.set(hasTools, source)
    return source
  }

  /** The call's own template, else the engine's, else the model's. */
  #template({ chatTemplate, tools = [] }: RenderOptions): ChatTemplate {
    const source = chatTemplate ?? this.templateSource(tools.length > 0)
    let compiled = this.#templates.get(source)
    if (compiled === undefined) {
      compiled = unwrap(this.#native.ChatTemplate.create(this.tokenizer, source))
      if (this.#templates.size >= MOST_TEMPLATES) this.#templates.clear()
      this.#templates.set(source, compiled)
    }
    return compiled
  }
}

function toNative(options: RenderOptions, now: Date): NativeRenderOptions {
  const { tools, documents, chatTemplateKwargs, continueFinalMessage = false } = options
  const { addGenerationPrompt = !continueFinalMessage } = options
  return {
    addGenerationPrompt,
    continueFinalMessage,
    nowMs: now.getTime(),
    utcOffsetMinutes: -now.getTimezoneOffset(),
    ...(tools !== undefined && { tools: toJson('tools', tools) }),
    ...(documents !== undefined && { documents: toJson('documents', documents) }),
    ...(chatTemplateKwargs !== undefined && { kwargs: toJson('chatTemplateKwargs', chatTemplateKwargs) }),
  }
}

/** JSON whose texts are Unicode: halves of surrogate pairs become U+FFFD, as they do in prompts. */
function toJson(name: string, value: unknown): string {
  const wellFormed = (_: string, part: unknown) =>
    typeof part === 'string' ? part.replaceAll(/\p{Surrogate}/gu, '\ufffd') : part
  try {
    const json = JSON.stringify(value)
    // Halves are the only ones that JSON.stringify writes so; texts that have the same characters are rare.
    return json.includes('\\ud') ? JSON.stringify(value, wellFormed) : json
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidArgumentError(name, `${name} cannot be written as JSON: ${reason}`, value)
  }
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0)
}

function withWaysOut(cause: TokenizerError): TokenizerError {
  const ways = 'Name a folder that has one as `tokenizer`, or pass token ids and `loadTokenizer: false`.'
  return new TokenizerError(`${cause.message}. ${ways}`, { details: cause.details, cause })
}

function toInt32(ids: ArrayLike<number>): Int32Array {
  return ids instanceof Int32Array ? ids : Int32Array.from(ids)
}
