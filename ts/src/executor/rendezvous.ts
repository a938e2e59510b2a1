// Where the ranks of one model meet: a port of this machine that is free now.

import { once } from 'node:events'
import { createServer } from 'node:net'

/** `tcp://127.0.0.1:port` */
export async function freeRendezvous(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port')
  return `tcp://127.0.0.1:${address.port}`
}
