// The events of a response: whatever its turn has newly said, as frames.

import type { ChatTurn } from '../chat/chat-event.js'
import type { Clock } from '../clock.js'
import type { FrameSource } from '../generation/event-pump.js'
import type { ResponseEventWriter } from '../protocol/responses-events.js'
import type { ResponseBody } from '../protocol/responses-response.js'
import { toRequestError } from '../request-error.js'

export interface ResponseEventsOptions {
  readonly turn: ChatTurn
  readonly writer: ResponseEventWriter
  readonly clock: Clock
  /** Called once, before the last frame is given; not when it was aborted. */
  readonly onEnd: (response: ResponseBody) => void
}

export class ResponseEvents implements FrameSource {
  readonly #options: ResponseEventsOptions
  #begun = false
  #done = false

  constructor(options: ResponseEventsOptions) {
    this.#options = options
  }

  get ended(): boolean {
    return this.#options.turn.ended
  }

  get done(): boolean {
    return this.#done
  }

  /** As far as it has come. */
  get response(): ResponseBody {
    return this.#options.writer.response
  }

  onNews(listener: () => void): void {
    this.#options.turn.onNews(listener)
  }

  /** Ends it; nothing more comes. */
  abort(): void {
    const { turn, writer, clock } = this.#options
    if (this.#done) return
    this.#done = true
    writer.cancel(turn.usage(), secondsOf(clock))
    turn.abort()
  }

  frames(): string {
    if (this.#done) return ''
    const { turn, writer, clock, onEnd } = this.#options
    let frames = ''
    if (!this.#begun) {
      this.#begun = true
      frames += writer.begin()
    }
    for (const one of turn.take()) frames += writer.news(one, turn.usage(), secondsOf(clock))
    if (!turn.ended) return frames
    this.#done = true
    const { error } = turn
    if (error !== undefined) frames += writer.fail(toRequestError(error), turn.usage(), secondsOf(clock))
    onEnd(writer.response)
    return frames
  }
}

export function secondsOf(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}
