// The consumer's side of one request: an async iterable that merges what it was too slow to take.

import type { RequestOutput } from './request-output.js'
import type { RequestState } from './request-state.js'

/** One consumer: iterate, or wait for the end, or be called. Breaking the loop aborts the request. */
export interface RequestStream extends AsyncIterable<RequestOutput> {
  /** The request's name in the engine. */
  readonly requestId: string
  /** Resolves once the scheduler has the request. @throws PromptError, InvalidArgumentError if it is refused there. */
  readonly admitted: Promise<void>
  /** The whole output, once it has ended. @throws what ended the request early. */
  final(): Promise<RequestOutput>
  /** Calls `listener` after each step that brought something, and at the end: the way without a promise per step. */
  onNews(listener: () => void): void
  /** What came since the last `take`, as one output; undefined if there is nothing. */
  take(): RequestOutput | undefined
  /** Nothing more will come; what has come may still be taken. */
  readonly ended: boolean
  /** What ended the request early. */
  readonly error: Error | undefined
  /** Ends the request before its time; without effect once it has ended. */
  abort(): void
}

/** A stream over `state`; `abort` is called when its consumer leaves early. */
export function streamOf(state: RequestState, abort: () => void): RequestStream {
  return {
    requestId: state.request.requestId,
    admitted: state.admitted,
    final: () => finalOf(state),
    onNews: listener => state.onNews(listener),
    take: () => state.take(),
    get ended() {
      return state.ended
    },
    get error() {
      return state.error
    },
    abort: () => {
      if (!state.ended) abort()
    },
    [Symbol.asyncIterator]: () => outputsOf(state, abort),
  }
}

async function finalOf(state: RequestState): Promise<RequestOutput> {
  while (!state.ended) await state.changed()
  if (state.error !== undefined) throw state.error
  return state.whole()
}

async function* outputsOf(state: RequestState, abort: () => void): AsyncGenerator<RequestOutput, void, undefined> {
  try {
    for (;;) {
      if (state.error !== undefined) throw state.error
      const output = state.take()
      if (output !== undefined) yield output
      else if (state.finished) return
      else await state.changed()
    }
  } finally {
    if (!state.ended) abort()
  }
}
