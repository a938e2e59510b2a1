// The terminal as an argument, so that commands can be tested without one.

import type { Readable, Writable } from 'node:stream'

type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
}

/**
 * Ends the process when what it prints cannot be written: quietly if the reader has gone (`quire generate | head`), else
 * with the reason. Without this the stream's error would be thrown where nobody catches it.
 */
export function exitWhenUnwritable({ stdout, stderr }: Streams, exit: (code: 0 | 1) => void): void {
  stderr.on('error', () => {})
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return exit(0)
    stderr.write(`quire: cannot write to standard output: ${error.message}\n`)
    exit(1)
  })
}
