// The terminal as an argument, so that commands can be tested without one.

import type { Readable, Writable } from 'node:stream'

type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
}
