// One whole answer as text: for the few questions beside the load.

import type { ConnectionPool } from './connection-pool.js'

export interface TextAnswer {
  readonly status: number
  readonly text: string
}

/** @throws Error if the server cannot be reached, or `timeoutMs` is over. */
export function exchangeText(pool: ConnectionPool, bytes: Buffer, timeoutMs: number): Promise<TextAnswer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let status = 0
    const stop = pool.send(bytes, {
      head: code => {
        status = code
      },
      body: (data, start, end) => parts.push(Buffer.from(data.subarray(start, end))),
      complete: () => {
        clearTimeout(timer)
        resolve({ status, text: Buffer.concat(parts).toString('utf8') })
      },
      failed: error => {
        clearTimeout(timer)
        reject(error)
      },
    })
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${timeoutMs / 1000} s`))
      stop()
    }, timeoutMs)
  })
}
