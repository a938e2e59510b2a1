// The consumer's side of one request: an async iterable that merges what it was too slow to take.

import type { RequestOutput } from './request-output.js'
import type { RequestState } from './request-state.js'

/** One consumer: iterate, or wait for the end. Breaking the loop aborts the request. */
export interface RequestStream extends AsyncIterable<RequestOutput> {
  readonly requestId: string
  /** The whole output, once it has ended. @throws what ended the request early. */
  final(): Promise<RequestOutput>
}

/** A stream over `state`; `abort` is called when its consumer leaves early. */
export function streamOf(state: RequestState, abort: () => void): RequestStream {
  return {
    requestId: state.request.requestId,
    final: () => finalOf(state),
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
