// Long work of the native pool, one piece after the other: the pool has few threads, and short texts must find one free.

export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve()

  /** Begins `work` when all that came before has ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
