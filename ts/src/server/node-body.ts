// The body of a request of node:http, chunk by chunk; what nobody wants is thrown away, within a bound.

import type { IncomingMessage } from 'node:http'
import type { BodyChunks } from './body-reader.js'
import { RequestError } from './request-error.js'

/** Bytes of a refused body that are read, so that the client gets to read the refusal. */
const MAX_DISCARDED_BYTES = 64 << 20

type Waiter = {
  readonly resolve: (result: IteratorResult<Uint8Array, unknown>) => void
  readonly reject: (error: Error) => void
}

/** The socket is not read on while a chunk waits for whoever reads. */
export function nodeBody(request: IncomingMessage): BodyChunks {
  const chunks: Uint8Array[] = []
  let waiter: Waiter | undefined
  let isComplete = false
  let failure: Error | undefined
  request.on('data', (chunk: Buffer) => {
    if (waiter === undefined) {
      chunks.push(chunk)
      request.pause()
    } else settle(({ resolve }) => resolve({ done: false, value: chunk }))
  })
  request.on('end', () => {
    isComplete = true
    settle(({ resolve }) => resolve({ done: true, value: undefined }))
  })
  const fail = (): void => {
    if (isComplete) return
    failure = RequestError.clientGone()
    settle(({ reject }) => reject(failure as Error))
  }
  request.on('error', fail)
  request.on('close', fail)
  return {
    next: () =>
      new Promise((resolve, reject) => {
        const chunk = chunks.shift()
        if (chunk !== undefined) resolve({ done: false, value: chunk })
        else if (isComplete) resolve({ done: true, value: undefined })
        else if (failure !== undefined) reject(failure)
        else {
          waiter = { resolve, reject }
          if (request.isPaused()) request.resume()
        }
      }),
  }

  function settle(tell: (waiter: Waiter) => void): void {
    const waiting = waiter
    waiter = undefined
    if (waiting !== undefined) tell(waiting)
  }
}

/** Reads on without keeping anything; a client that goes on for too long is cut off. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete) return
  let length = 0
  request.removeAllListeners('data')
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > MAX_DISCARDED_BYTES) request.socket.destroy()
  })
  request.on('error', () => {})
  request.resume()
}
