// The page's end of its line to the engine.

export class EngineClient {
  #port
  #lastId = 0
  #turns = new Map()

  /** @param onState told { kind: 'ready', model } or { kind: 'failed', code, message }. */
  constructor(port, onState) {
    this.#port = port
    port.onmessage = ({ data }) => {
      if (data.kind === 'ready' || data.kind === 'failed') onState(data)
      else this.#turns.get(data.id)?.(data)
    }
    port.addEventListener('close', () => {
      const end = { code: 'ERR_CLOSED', message: "The engine's process has ended." }
      for (const hear of this.#turns.values()) hear({ kind: 'error', ...end })
      onState({ kind: 'failed', ...end })
    })
  }

  /** Pieces of the answer, as they come. Leaving the loop aborts the request. @throws Error with a `code`. */
  async *chat(messages, sampling) {
    this.#lastId += 1
    const id = this.#lastId
    const waiting = []
    let wake = () => {}
    this.#turns.set(id, message => {
      waiting.push(message)
      wake()
    })
    this.#port.postMessage({ kind: 'chat', id, messages, sampling })
    let isOver = false
    try {
      for (;;) {
        const message = waiting.shift()
        if (message === undefined) {
          await new Promise(resolve => {
            wake = resolve
          })
          continue
        }
        isOver = message.kind !== 'delta'
        if (message.kind === 'end') return
        if (message.kind === 'error') throw Object.assign(new Error(message.message), { code: message.code })
        yield message.text
      }
    } finally {
      if (!isOver) this.#port.postMessage({ kind: 'abort', id })
      this.#turns.delete(id)
    }
  }
}
