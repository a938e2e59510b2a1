// Sequences that wait to be embedded, and the calls that are made of them: each of so many tokens, of several jobs in turn, so
// that a job of thousands keeps none of one waiting. A sequence longer than a call comes in parts, where the model allows it.

import { EngineError, RequestAbortedError } from '../errors.js'
import type { EmbedBatch, PoolingInfo } from '../plugin/model-runner.js'

/** Sequences of one caller, end to end. */
export interface EmbedJob {
  readonly tokenIds: Int32Array
  /** Absent = all 0. */
  readonly tokenTypes?: Int32Array
  /** Where each sequence begins, and the end of the last. */
  readonly startLoc: Int32Array
  readonly output: EmbedBatch['output']
}

/** One call of the runner, and whose sequences are in it. */
export interface EmbedCall {
  readonly batch: EmbedBatch
  readonly numTokens: number
  /** Numbers that the runner writes. */
  readonly outLength: number
  readonly rows: readonly EmbedRow[]
}

interface EmbedRow {
  readonly job: Waiting
  readonly index: number
}

/** A sequence of which some parts have been computed. */
interface LongSequence extends EmbedRow {
  numComputed: number
}

class Waiting {
  readonly job: EmbedJob
  readonly results: Float32Array
  readonly resolve: (results: Float32Array) => void
  readonly reject: (error: unknown) => void
  /** The next sequence to go into a call. */
  next = 0
  /** Sequences without a result. */
  missing: number
  ended = false

  constructor(job: EmbedJob, width: number, { resolve, reject }: Pick<Waiting, 'resolve' | 'reject'>) {
    this.job = job
    this.missing = job.startLoc.length - 1
    this.results = new Float32Array(this.missing * width)
    this.resolve = resolve
    this.reject = reject
  }

  get hasNext(): boolean {
    return this.next < this.job.startLoc.length - 1
  }

  lengthOf(index: number): number {
    return (this.job.startLoc[index + 1] as number) - (this.job.startLoc[index] as number)
  }

  fail(error: unknown): void {
    this.ended = true
    this.reject(error)
  }
}

export class EmbedQueue {
  readonly #pooling: PoolingInfo
  #waiting: Waiting[] = []
  #long: LongSequence | undefined
  /** Whether the last call was a part of the long sequence: others have the next. */
  #longWasLast = false

  constructor(pooling: PoolingInfo) {
    this.#pooling = pooling
  }

  /** Results of the job's sequences, end to end. @throws what failed one of them; RequestAbortedError. */
  async add(job: EmbedJob, signal: AbortSignal | undefined): Promise<Float32Array> {
    if (signal?.aborted) throw abortError(signal)
    if (job.startLoc.length < 2) return new Float32Array(0)
    const made: { abort?: () => void } = {}
    try {
      return await new Promise((resolve, reject) => {
        const waiting = new Waiting(job, this.#widthOf(job.output), { resolve, reject })
        made.abort = () => this.#drop(waiting, abortError(signal))
        signal?.addEventListener('abort', made.abort, { once: true })
        this.#waiting.push(waiting)
      })
    } finally {
      if (made.abort !== undefined) signal?.removeEventListener('abort', made.abort)
    }
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** A call of about `budgetTokens` tokens; a sequence that cannot be cut may be longer. Undefined: nothing waits. */
  next(budgetTokens: number): EmbedCall | undefined {
    if (this.#long?.job.ended) this.#long = undefined
    if (this.#long !== undefined && !this.#longWasLast) return this.#part(this.#long, budgetTokens)
    const rows = this.#pick(budgetTokens)
    if (rows.length > 0) {
      this.#longWasLast = false
      return this.#callOf(rows)
    }
    return this.#long === undefined ? undefined : this.#part(this.#long, budgetTokens)
  }

  /** The runner has written `out`. */
  done({ batch, rows }: EmbedCall, out: Float32Array): void {
    if (batch.part !== undefined && !this.#partDone(batch.part, batch.tokenIds.length)) return
    const width = this.#widthOf(batch.output)
    for (const [row, { job, index }] of rows.entries()) {
      if (job.ended) continue
      job.results.set(out.subarray(row * width, (row + 1) * width), index * width)
      job.missing -= 1
      if (job.missing > 0) continue
      job.ended = true
      this.#waiting = this.#waiting.filter(other => other !== job)
      job.resolve(job.results)
    }
  }

  /** The runner has failed: so have the jobs whose sequences were in the call. */
  failed({ rows }: EmbedCall, cause: unknown): void {
    for (const { job } of rows) this.#drop(job, cause)
  }

  /** Nobody waits any more. */
  failAll(error: unknown): void {
    for (const job of [...this.#waiting]) this.#drop(job, error)
  }

  #drop(job: Waiting, error: unknown): void {
    if (job.ended) return
    this.#waiting = this.#waiting.filter(other => other !== job)
    job.fail(error)
  }

  /** One sequence of each job in turn until the budget is spent; all want the same of the runner. */
  #pick(budgetTokens: number): EmbedRow[] {
    const rows: EmbedRow[] = []
    const first = this.#waiting.find(job => job.hasNext && !this.#mustWait(job, budgetTokens))
    if (first === undefined) return rows
    const { output } = first.job
    let left = budgetTokens
    let candidates = this.#waiting.filter(({ job }) => job.output === output)
    while (candidates.length > 0) {
      candidates = candidates.filter(job => {
        if (!job.hasNext) return false
        const length = job.lengthOf(job.next)
        if (length > left && (rows.length > 0 || this.#pooling.takesParts)) {
          if (length > budgetTokens && this.#pooling.takesParts && this.#long === undefined) {
            this.#long = { job, index: job.next, numComputed: 0 }
            job.next += 1
            return true
          }
          return false
        }
        rows.push({ job, index: job.next })
        job.next += 1
        left -= length
        return true
      })
    }
    // Who had the first place has the last next time.
    this.#waiting = [...this.#waiting.filter(job => job !== first), first]
    return rows
  }

  /** A second sequence that has to come in parts waits for the first. */
  #mustWait(job: Waiting, budgetTokens: number): boolean {
    return this.#pooling.takesParts && this.#long !== undefined && job.lengthOf(job.next) > budgetTokens
  }

  #callOf(rows: readonly EmbedRow[]): EmbedCall {
    const startLoc = new Int32Array(rows.length + 1)
    for (const [row, { job, index }] of rows.entries())
      startLoc[row + 1] = (startLoc[row] as number) + job.lengthOf(index)
    const numTokens = startLoc[rows.length] as number
    const tokenIds = new Int32Array(numTokens)
    const tokenTypes = rows.some(({ job }) => job.job.tokenTypes !== undefined) ? new Int32Array(numTokens) : undefined
    for (const [row, { job, index }] of rows.entries()) {
      const [begin, end] = [job.job.startLoc[index], job.job.startLoc[index + 1]]
      tokenIds.set(job.job.tokenIds.subarray(begin, end), startLoc[row])
      const types = job.job.tokenTypes?.subarray(begin, end)
      if (types !== undefined) tokenTypes?.set(types, startLoc[row])
    }
    const { output } = (rows[0] as EmbedRow).job.job
    const batch = { tokenIds, startLoc, output, ...(tokenTypes !== undefined && { tokenTypes }) }
    return { batch, numTokens, outLength: rows.length * this.#widthOf(output), rows }
  }

  /** The next part of the long sequence. */
  #part(long: LongSequence, budgetTokens: number): EmbedCall {
    const { job, index, numComputed } = long
    const length = job.lengthOf(index)
    const numTokens = Math.min(budgetTokens, length - numComputed)
    const begin = (job.job.startLoc[index] as number) + numComputed
    this.#longWasLast = true
    return {
      batch: {
        tokenIds: job.job.tokenIds.slice(begin, begin + numTokens),
        startLoc: Int32Array.of(0, numTokens),
        output: job.job.output,
        part: { numComputed, numTokens: length },
      },
      numTokens,
      outLength: this.#widthOf(job.job.output),
      rows: [long],
    }
  }

  /** True if it was the last. */
  #partDone({ numComputed, numTokens }: NonNullable<EmbedBatch['part']>, added: number): boolean {
    const isLast = numComputed + added === numTokens
    if (isLast) this.#long = undefined
    else if (this.#long !== undefined) this.#long.numComputed = numComputed + added
    return isLast
  }

  #widthOf(output: EmbedBatch['output']): number {
    return output === 'score' ? 1 : this.#pooling.embeddingSize
  }
}

function abortError(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof EngineError ? reason : new RequestAbortedError(undefined, { cause: reason })
}
