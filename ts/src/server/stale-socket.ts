// A unix socket's file outlives a server that was killed: it is in the way of the next one, though nobody listens on it.

import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/** Removes the file if it is a socket that nobody listens on. What is something else, or in use, stays. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return
  if (await isListenedOn(path)) return
  unlinkSync(path)
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}
