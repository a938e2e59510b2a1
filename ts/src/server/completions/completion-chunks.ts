// The chunks of a streamed completion: whatever its prompts' streams have newly said, as frames.

import type { RequestOutput, RequestStream } from '../../engine/index.js'
import { DONE_FRAME, dataFrame } from '../event-frame.js'
import type { FrameSource } from '../generation/event-pump.js'
import { CompletionChunkWriter, type ReplyHead } from '../protocol/completion-response.js'
import { toRequestError } from '../request-error.js'
import type { ChoiceMaker, ChoiceProgress } from './completion-choices.js'
import type { PreparedPrompt } from './completion-prompts.js'

export interface CompletionStreamOptions {
  readonly head: ReplyHead
  readonly prompts: readonly PreparedPrompt[]
  /** One for each prompt. */
  readonly streams: readonly RequestStream[]
  readonly choices: ChoiceMaker
  /** Choices of each prompt. */
  readonly n: number
  readonly onlyEcho: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  /** Chunks without text are worth sending, for they have ids or logprobs. */
  readonly tellsTokens: boolean
}

interface Told extends ChoiceProgress {
  numTokens: number
}

export class CompletionChunks implements FrameSource {
  readonly #options: CompletionStreamOptions
  readonly #writer: CompletionChunkWriter
  readonly #told: readonly Told[]
  /** Prompts that have news, perhaps, and which they are. */
  #fresh: number[] = []
  readonly #isFresh: Uint8Array
  readonly #running: Set<number>
  #numCachedTokens = 0
  #done = false

  constructor(options: CompletionStreamOptions) {
    this.#options = options
    this.#writer = new CompletionChunkWriter(options.head)
    this.#running = new Set(options.streams.keys())
    this.#isFresh = new Uint8Array(options.streams.length)
    this.#told = Array.from({ length: options.streams.length * options.n }, () => ({
      numTokens: 0,
      numCharacters: 0,
      begun: false,
    }))
  }

  get ended(): boolean {
    return this.#options.streams.every(stream => stream.ended)
  }

  get done(): boolean {
    return this.#done
  }

  onNews(listener: () => void): void {
    for (const [index, stream] of this.#options.streams.entries()) {
      stream.onNews(() => {
        if (this.#isFresh[index] === 0) this.#fresh.push(index)
        this.#isFresh[index] = 1
        listener()
      })
    }
  }

  abort(): void {
    for (const stream of this.#options.streams) stream.abort()
  }

  frames(): string {
    if (this.#done) return ''
    let frames = ''
    const fresh = this.#fresh
    this.#fresh = []
    for (const index of fresh) {
      this.#isFresh[index] = 0
      const stream = this.#options.streams[index] as RequestStream
      const output = stream.take()
      if (output !== undefined) frames += this.#chunks(index, output)
      if (stream.error !== undefined) return frames + this.#failure(stream.error)
      if (stream.ended) this.#running.delete(index)
    }
    return this.#running.size === 0 ? frames + this.#end() : frames
  }

  #chunks(promptIndex: number, output: RequestOutput): string {
    const { prompts, n, choices, onlyEcho, continuousUsage, tellsTokens } = this.#options
    const prompt = prompts[promptIndex] as PreparedPrompt
    this.#numCachedTokens += output.finished ? output.numCachedTokens : 0
    let frames = ''
    for (const news of output.outputs) {
      const index = promptIndex * n + news.index
      const told = this.#told[index] as Told
      const choice = choices.make(index, prompt, output, news, told)
      if (!onlyEcho) told.numTokens += news.tokenIds.length
      if (choice.text === '' && choice.finishReason === null && !tellsTokens) continue
      const counts = { promptTokens: prompt.tokenIds.length, completionTokens: told.numTokens, cachedTokens: 0 }
      frames += continuousUsage
        ? this.#writer.choice(choice, { ...counts, cachedTokens: output.numCachedTokens })
        : this.#writer.choice(choice)
    }
    return frames
  }

  #failure(error: Error): string {
    this.#done = true
    this.abort()
    return dataFrame(toRequestError(error).body) + DONE_FRAME
  }

  #end(): string {
    this.#done = true
    if (!this.#options.includeUsage) return DONE_FRAME
    const usage = this.#writer.total({
      promptTokens: this.#options.prompts.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0),
      completionTokens: this.#told.reduce((sum, { numTokens }) => sum + numTokens, 0),
      cachedTokens: this.#numCachedTokens,
    })
    return usage + DONE_FRAME
  }
}
