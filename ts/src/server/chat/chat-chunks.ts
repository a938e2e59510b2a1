// The chunks of a streamed chat completion: whatever its turn has newly said, as frames.

import { DONE_FRAME, dataFrame } from '../event-frame.js'
import type { FrameSource } from '../generation/event-pump.js'
import { ChatChunkWriter, type ChatReplyStyle } from '../protocol/chat-completion-response.js'
import { toRequestError } from '../request-error.js'
import type { ChatTurn } from './chat-event.js'

export interface ChatStreamOptions {
  readonly turn: ChatTurn
  readonly style: ChatReplyStyle
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
}

export class ChatChunks implements FrameSource {
  readonly #options: ChatStreamOptions
  readonly #writer: ChatChunkWriter
  readonly #begun = new Set<number>()
  #done = false

  constructor(options: ChatStreamOptions) {
    this.#options = options
    this.#writer = new ChatChunkWriter(options.style)
  }

  get ended(): boolean {
    return this.#options.turn.ended
  }

  get done(): boolean {
    return this.#done
  }

  onNews(listener: () => void): void {
    this.#options.turn.onNews(listener)
  }

  abort(): void {
    this.#options.turn.abort()
  }

  frames(): string {
    if (this.#done) return ''
    const { turn, continuousUsage } = this.#options
    let frames = ''
    for (const news of turn.take()) {
      const { choice } = news
      const usage = continuousUsage ? turn.usageOf(choice) : undefined
      const chunk = this.#writer.news(news, usage)
      if (!this.#begun.has(choice)) {
        this.#begun.add(choice)
        frames += this.#writer.begin(
          choice,
          turn.prompt,
          usage && { ...usage, completionTokens: 0, reasoningTokens: 0 },
        )
      }
      frames += chunk
    }
    if (turn.error !== undefined) return frames + this.#end(dataFrame(toRequestError(turn.error).body))
    if (!turn.ended) return frames
    return frames + this.#end(this.#options.includeUsage ? this.#writer.total(turn.usage()) : '')
  }

  #end(last: string): string {
    this.#done = true
    return last + DONE_FRAME
  }
}
