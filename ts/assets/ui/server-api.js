// Requests to the server that the page came from, with the API key where one was given. Paths are relative to the page, so
// that it works below any root path.

const KEY_ITEM = 'quire-api-key'

/** The server's answer to a request that it refused, in its own words. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message)
    this.name = 'ServerError'
    this.status = status
  }
}

export class ServerApi {
  #storage
  #key

  /** `storage`: keeps the key for as long as the tab lives; may be undefined. */
  constructor(storage) {
    this.#storage = storage
    this.#key = storage?.getItem(KEY_ITEM) ?? ''
  }

  get hasKey() {
    return this.#key !== ''
  }

  /** An empty key is none. */
  set key(key) {
    this.#key = key
    if (key === '') this.#storage?.removeItem(KEY_ITEM)
    else this.#storage?.setItem(KEY_ITEM, key)
  }

  async json(path) {
    return (await this.#send(path, {})).json()
  }

  async text(path, signal) {
    return (await this.#send(path, { signal })).text()
  }

  /** The events of a stream, parsed, until `[DONE]`. */
  async *events(path, body, signal) {
    const headers = { 'content-type': 'application/json' }
    const response = await this.#send(path, { method: 'POST', headers, body: JSON.stringify(body), signal })
    let isComplete = false
    for await (const data of eventData(response.body)) {
      // What is left is the end of the connection: to leave before would look like a client that is gone.
      if (data === '[DONE]') isComplete = true
      if (isComplete) continue
      const event = JSON.parse(data)
      if (event.error !== undefined) throw new ServerError(event.error.code, messageOf(event))
      yield event
    }
    if (!isComplete) throw new Error('The connection ended before the answer did.')
  }

  async #send(path, request) {
    const headers = { ...request.headers }
    if (this.hasKey) headers.authorization = `Bearer ${this.#key}`
    const response = await fetch(path, { ...request, headers, cache: 'no-store', credentials: 'same-origin' })
    if (response.ok) return response
    const answer = await response.json().catch(() => undefined)
    throw new ServerError(response.status, messageOf(answer) ?? `The server answered with status ${response.status}.`)
  }
}

function messageOf(answer) {
  const error = answer?.error
  return typeof error === 'string' ? error : error?.message
}

/** The data of each server-sent event. */
async function* eventData(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const frames = (rest + value).split(/\r?\n\r?\n/)
      rest = frames.pop()
      for (const frame of frames) {
        const lines = frame.split(/\r?\n/).filter(line => line.startsWith('data:'))
        if (lines.length > 0) yield lines.map(line => line.slice('data:'.length).trimStart()).join('\n')
      }
    }
  } finally {
    // Whoever leaves early closes the connection, which frees the request's blocks.
    reader.cancel().catch(() => {})
  }
}
