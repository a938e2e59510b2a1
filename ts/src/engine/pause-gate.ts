// The way of requests to the loop, which a pause closes: a paused loop runs no steps, and requests that come during a pause
// which waits for others are held back until it ends.

import type { LoopPort } from './loop-port.js'

/** How requests are treated while the engine pauses: ended, brought to their end first, or left where they are. */
export type PauseMode = 'abort' | 'wait' | 'keep'

export class PauseGate {
  readonly #loop: Pick<LoopPort, 'idle' | 'pause' | 'resume'>
  /** Who was held back, in order; undefined = nobody is. */
  #held: (() => void)[] | undefined
  #paused = false

  constructor(loop: Pick<LoopPort, 'idle' | 'pause' | 'resume'>) {
    this.#loop = loop
  }

  /** True between `pause` and `resume`. */
  get paused(): boolean {
    return this.#paused
  }

  /** Resolves when no step is in flight. Whoever pauses by 'abort' has `abortAll` called before that. */
  async pause(mode: PauseMode, abortAll: () => void): Promise<void> {
    this.#paused = true
    if (mode === 'abort') abortAll()
    if (mode === 'wait') {
      this.#held ??= []
      await this.#loop.idle()
    }
    if (this.#paused) await this.#loop.pause()
  }

  resume(): void {
    this.#paused = false
    const held = this.#held ?? []
    this.#held = undefined
    for (const enter of held) enter()
    this.#loop.resume()
  }

  /** Calls `enter` now, or when the pause ends. */
  pass(enter: () => void): void {
    if (this.#held === undefined) enter()
    else this.#held.push(enter)
  }
}
