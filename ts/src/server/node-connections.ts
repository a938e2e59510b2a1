// The connections of a server of node:http, each with the requests that it has open: when a connection closes, they end.

import type { Socket } from 'node:net'

/** Milliseconds of silence after which the system asks whether the other end is still there. */
const KEEP_ALIVE_PROBE_MS = 30_000

export class NodeConnections {
  readonly #open = new Map<Socket, Set<AbortController>>()

  add(socket: Socket): void {
    const requests = new Set<AbortController>()
    this.#open.set(socket, requests)
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS)
    socket.once('close', () => {
      this.#open.delete(socket)
      for (const controller of requests) controller.abort()
    })
  }

  /** A controller that is aborted when the connection closes before `end`. */
  begin(socket: Socket): AbortController {
    const controller = new AbortController()
    const requests = this.#open.get(socket)
    if (requests === undefined) controller.abort()
    else requests.add(controller)
    return controller
  }

  end(socket: Socket, controller: AbortController): void {
    this.#open.get(socket)?.delete(controller)
  }

  /** Whether replies are still to be written to this connection. */
  isBusy(socket: Socket): boolean {
    return (this.#open.get(socket)?.size ?? 0) > 0
  }
}
