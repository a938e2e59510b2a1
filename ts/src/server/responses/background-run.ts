// A response that is made without a socket: it goes on when its client leaves, and may be followed, ended and fetched.

import type { FrameSource } from '../generation/event-pump.js'
import type { ResponseBody } from '../protocol/responses-response.js'
import type { ResponseEvents } from './response-events.js'

/** Frames that were made at once. */
interface FrameGroup {
  /** Number of its first event. */
  readonly first: number
  readonly frames: string
  readonly count: number
}

const FRAME_END = '\n\n'

export class BackgroundRun {
  readonly #events: ResponseEvents
  readonly #keepsEvents: boolean
  readonly #onGrowth: (bytes: number) => void
  readonly #groups: FrameGroup[] = []
  readonly #followers = new Set<() => void>()
  #numEvents = 0
  keptBytes = 0

  /** `onGrowth` is told how many bytes of events are kept beyond those before. */
  constructor(events: ResponseEvents, keepsEvents: boolean, onGrowth: (bytes: number) => void) {
    this.#events = events
    this.#keepsEvents = keepsEvents
    this.#onGrowth = onGrowth
  }

  /** To be called once, when the response is kept. */
  start(): void {
    this.#events.onNews(() => this.#pull())
    this.#pull()
  }

  get ended(): boolean {
    return this.#events.done
  }

  get response(): ResponseBody {
    return this.#events.response
  }

  get numEvents(): number {
    return this.#numEvents
  }

  /** Its events can be read again. */
  get keepsEvents(): boolean {
    return this.#keepsEvents
  }

  /** Ends it; without effect once it has ended. */
  cancel(): void {
    this.#events.abort()
    this.#tell()
  }

  /** The events behind that number, as they come; who stops reading ends nothing. */
  follow(startingAfter: number): FrameSource {
    return new Follower(this, startingAfter + 1)
  }

  listen(listener: () => void): void {
    this.#followers.add(listener)
  }

  leave(listener: () => void): void {
    this.#followers.delete(listener)
  }

  /** All frames from that number on. */
  framesFrom(index: number): string {
    const start = this.#groups.findLastIndex(({ first }) => first <= index)
    return this.#groups
      .slice(Math.max(0, start))
      .filter(({ first, count }) => first + count > index)
      .map(({ first, frames }) => (first >= index ? frames : withoutFirst(frames, index - first)))
      .join('')
  }

  #pull(): void {
    const frames = this.#events.frames()
    if (frames === '') return
    if (this.#keepsEvents) {
      const count = frames.split(FRAME_END).length - 1
      this.#groups.push({ first: this.#numEvents, frames, count })
      this.#numEvents += count
      this.keptBytes += frames.length
      this.#onGrowth(frames.length)
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of [...this.#followers]) listener()
    if (this.ended) this.#followers.clear()
  }
}

class Follower implements FrameSource {
  readonly #run: BackgroundRun
  #next: number
  #listener: (() => void) | undefined

  constructor(run: BackgroundRun, next: number) {
    this.#run = run
    this.#next = next
  }

  get ended(): boolean {
    return this.#run.ended
  }

  get done(): boolean {
    return this.#run.ended && this.#next >= this.#run.numEvents
  }

  onNews(listener: () => void): void {
    this.#listener = listener
    this.#run.listen(listener)
  }

  frames(): string {
    const frames = this.#run.framesFrom(this.#next)
    this.#next = Math.max(this.#next, this.#run.numEvents)
    return frames
  }

  abort(): void {
    if (this.#listener !== undefined) this.#run.leave(this.#listener)
  }
}

function withoutFirst(frames: string, count: number): string {
  return frames.split(FRAME_END).slice(count).join(FRAME_END)
}
