// Attempts again what may work the next time: when, how often, and that an abort ends the wait.

import { RequestAbortedError } from '../errors.js'

export interface RetryPolicy {
  /** Attempts in a row that bring nothing, before the error is final. */
  readonly attempts: number
  /** Attempts in all, those that brought something included. */
  readonly mostAttempts: number
  /** Wait before the second attempt; it doubles from there. */
  readonly firstWaitMs: number
  readonly longestWaitMs: number
  /** A server that asks for a longer wait than this is not waited for. */
  readonly longestAskedWaitMs: number
}

export const DEFAULT_RETRIES: RetryPolicy = {
  attempts: 5,
  mostAttempts: 100,
  firstWaitMs: 500,
  longestWaitMs: 10_000,
  longestAskedWaitMs: 300_000,
}

/** A failure that another attempt may not meet. `error` is what the caller gets when there is none left. */
export class TransientFailure extends Error {
  override readonly name = 'TransientFailure'
  readonly error: Error
  /** What the server asks for. */
  readonly waitMs: number | undefined
  /** The attempt brought something that stays. */
  readonly progressed: boolean

  constructor(error: Error, options: { readonly waitMs?: number | undefined; readonly progressed?: boolean } = {}) {
    super(error.message, { cause: error })
    this.error = error
    this.waitMs = options.waitMs
    this.progressed = options.progressed ?? false
  }
}

/** Calls `attempt` until it succeeds, fails for good, or the policy ends. @throws RequestAbortedError. */
export async function withRetries<T>(policy: RetryPolicy, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  let fruitless = 0
  for (let attempts = 1; ; attempts += 1) {
    throwIfAborted(signal)
    try {
      return await attempt()
    } catch (error) {
      throwIfAborted(signal)
      if (!(error instanceof TransientFailure)) throw error
      fruitless = error.progressed ? 1 : fruitless + 1
      const wait = error.waitMs ?? backOff(policy, fruitless)
      const isLast = fruitless >= policy.attempts || attempts >= policy.mostAttempts
      if (isLast || wait > policy.longestAskedWaitMs) throw error.error
      await sleep(wait, signal)
    }
  }
}

/** Doubles, and spreads callers that failed together. */
function backOff({ firstWaitMs, longestWaitMs }: RetryPolicy, failures: number): number {
  return Math.min(firstWaitMs * 2 ** (failures - 1), longestWaitMs) * (0.75 + Math.random() / 2)
}

export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(aborted(signal))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** The wait that `Retry-After` asks for, in seconds or as a date. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined
  const seconds = Number(header)
  if (header.trim() !== '' && Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw aborted(signal)
}

function aborted(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Failed
    ? reason.error
    : new RequestAbortedError('The download was aborted.', { cause: reason })
}

/** The reason of an abort among parts of one job: another part failed with `error`, which is what the job throws. */
export class Failed {
  readonly error: Error

  constructor(error: unknown) {
    this.error = error instanceof Error ? error : new Error(String(error))
  }
}
