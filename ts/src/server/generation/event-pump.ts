// Moves what a stream says to whoever reads it: at most one frame for each piece of news, and while the reader is behind
// nothing is taken, so that the news merge where they are made.

import type { EventSink, EventSource } from '../route.js'

/** Something that can be read as frames. */
export interface FrameSource {
  onNews(listener: () => void): void
  /** Frames of all that is new, joined; empty if nothing is. */
  frames(): string
  /** Nothing more will come: what is new is the last. */
  readonly ended: boolean
  /** The last frame has been given. */
  readonly done: boolean
  /** Nobody reads on. */
  abort(): void
}

export class EventPump implements EventSource {
  readonly #source: FrameSource
  /** News that are gathered before they are sent. */
  readonly #interval: number
  #sink: EventSink | undefined
  #waiting = 0
  #started = false
  #full = false
  #ended = false

  constructor(source: FrameSource, interval = 1) {
    this.#source = source
    this.#interval = interval
  }

  start(sink: EventSink): void {
    this.#sink = sink
    sink.onDrain(() => {
      this.#full = false
      this.#pump()
    })
    this.#source.onNews(() => this.#news())
    this.#news()
  }

  cancel(): void {
    this.#ended = true
    this.#source.abort()
  }

  /** The first news and the last are sent at once. */
  #news(): void {
    this.#waiting += 1
    if (this.#full) return
    if (this.#started && this.#waiting < this.#interval && !this.#source.ended) return
    this.#pump()
  }

  #pump(): void {
    const sink = this.#sink
    if (sink === undefined || this.#full || this.#ended) return
    const frames = this.#source.frames()
    if (frames !== '') {
      this.#waiting = 0
      this.#started = true
      if (!sink.send(frames)) this.#full = true
    }
    if (!this.#source.done) return
    this.#ended = true
    sink.end()
  }
}
