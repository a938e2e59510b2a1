// Work of the native pool that waits for its turn: the pool has few threads, steps of the model need one of them, and work that
// nobody waits for any more is not begun.

import { RequestAbortedError } from '../errors.js'

export class WorkQueue {
  readonly #width: number
  #numRunning = 0
  /** What begins each piece, in order of arrival. */
  readonly #waiting = new Set<() => void>()

  /** At most `width` pieces run at once. */
  constructor(width: number) {
    this.#width = width
  }

  /**
   * Begins `work` when it is its turn. Once `signal` is aborted, what has not begun never does, and of what has nobody hears.
   * @throws RequestAbortedError then, at once.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        this.#numRunning += 1
        // Native code may throw at once.
        new Promise<T>(settle => settle(work())).then(resolve, reject).finally(() => {
          signal?.removeEventListener('abort', leave)
          this.#numRunning -= 1
          this.#beginNext()
        })
      }
      const leave = (): void => {
        this.#waiting.delete(begin)
        reject(new RequestAbortedError(undefined, { cause: signal?.reason }))
      }
      if (signal?.aborted) {
        leave()
        return
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.add(begin)
      this.#beginNext()
    })
  }

  #beginNext(): void {
    if (this.#numRunning >= this.#width) return
    const [begin] = this.#waiting
    if (begin === undefined) return
    this.#waiting.delete(begin)
    begin()
  }
}
