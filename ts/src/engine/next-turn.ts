// A turn of the event loop: `setImmediate` where there is one; else a message to itself, which no runtime delays as it does
// timers.

/** Resolves after timers, sockets and messages that wait have had their turn. */
export function nextTurn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise(resolve => setImmediate(resolve))
  byMessage ??= byMessages()
  return byMessage()
}

/** Made when it is first wanted: what only imports Quire may run where there are no channels. */
let byMessage: (() => Promise<void>) | undefined

interface Sender {
  postMessage(message: undefined): void
}

/** A port as browsers have it: it starts when a listener is set. */
interface Listener {
  onmessage: () => void
}

function byMessages(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel() as unknown as { readonly port1: Listener; readonly port2: Sender }
  const waiting: (() => void)[] = []
  port1.onmessage = () => waiting.shift()?.()
  return () =>
    new Promise(resolve => {
      waiting.push(resolve)
      port2.postMessage(undefined)
    })
}
