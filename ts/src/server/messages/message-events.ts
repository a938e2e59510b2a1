// The events of a streamed message: whatever its turn has newly said, as frames.

import type { ChatTurn } from '../chat/chat-event.js'
import type { FrameSource } from '../generation/event-pump.js'
import type { MessageEventWriter } from '../protocol/messages-response.js'
import { toRequestError } from '../request-error.js'

export class MessageEvents implements FrameSource {
  readonly #turn: ChatTurn
  readonly #writer: MessageEventWriter
  #begun = false
  #done = false

  constructor(turn: ChatTurn, writer: MessageEventWriter) {
    this.#turn = turn
    this.#writer = writer
  }

  get ended(): boolean {
    return this.#turn.ended
  }

  get done(): boolean {
    return this.#done
  }

  onNews(listener: () => void): void {
    this.#turn.onNews(listener)
  }

  abort(): void {
    this.#turn.abort()
  }

  frames(): string {
    if (this.#done) return ''
    const news = this.#turn.take()
    let frames = ''
    if (!this.#begun && (news.length > 0 || this.#turn.ended)) {
      this.#begun = true
      frames += this.#writer.begin({ ...this.#turn.usage(), completionTokens: 0 })
    }
    for (const one of news) frames += this.#writer.news(one, this.#turn.usage())
    this.#done = this.#turn.ended
    const { error } = this.#turn
    return error === undefined ? frames : frames + this.#writer.error(toRequestError(error))
  }
}
