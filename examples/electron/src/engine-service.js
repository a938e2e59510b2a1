// One engine for all pages. What crosses a line is plain data:
//
//   from the page  { kind: 'chat', id, messages, sampling }   { kind: 'abort', id }
//   to the page    { kind: 'ready', model }                   { kind: 'failed', code, message }
//                  { kind: 'delta', id, text }                { kind: 'end', id, finishReason, numTokens }
//                  { kind: 'error', id, code, message }
//
// An `id` is the page's own, and is used once. `delta`s of an id are followed by exactly one `end` or `error`.

import { Engine } from 'quire-llm'

export class EngineService {
  #engine
  #numLines = 0
  #lines = new Set()

  constructor({ model } = {}) {
    this.#engine = Engine.create(model === undefined ? {} : { model })
    this.#engine.catch(() => {}) // told on every line
  }

  /** A line to one page; `post` sends it a message. */
  connect(post) {
    this.#numLines += 1
    const line = new Line(this.#engine, post, `page-${this.#numLines}`)
    this.#lines.add(line)
    return {
      hear: message => line.hear(message),
      leave: () => {
        this.#lines.delete(line)
        line.leave()
      },
    }
  }

  async close() {
    for (const line of this.#lines) line.leave()
    await this.#engine.then(
      engine => engine.close(),
      () => {},
    )
  }
}

class Line {
  #engine
  #post
  #name
  #aborts = new Map()

  constructor(engine, post, name) {
    this.#engine = engine
    this.#post = post
    this.#name = name
    engine.then(
      ({ modelInfo }) => post({ kind: 'ready', model: modelInfo.architecture }),
      error => post({ kind: 'failed', ...facts(error) }),
    )
  }

  hear({ kind, id, messages, sampling }) {
    if (kind === 'abort') this.#aborts.get(id)?.abort()
    if (kind === 'chat') this.#chat(id, messages, sampling)
  }

  /** Nobody reads any more: what runs is aborted, and its memory free within a step. */
  leave() {
    this.#post = () => {}
    for (const abort of this.#aborts.values()) abort.abort()
  }

  async #chat(id, messages, sampling = {}) {
    const abort = new AbortController()
    this.#aborts.set(id, abort)
    try {
      const engine = await this.#engine
      const params = { maxTokens: 512, ...sampling, outputKind: 'delta' }
      const request = { requestId: `${this.#name}-${id}`, prompt: { messages }, params }
      let finishReason = null
      let numTokens = 0
      for await (const { outputs } of engine.generate(request, { signal: abort.signal })) {
        const [{ text, tokenIds, finishReason: reason }] = outputs
        finishReason = reason
        numTokens += tokenIds.length
        if (text !== '') this.#post({ kind: 'delta', id, text })
      }
      this.#post({ kind: 'end', id, finishReason, numTokens })
    } catch (error) {
      this.#post({ kind: 'error', id, ...facts(error) })
    } finally {
      this.#aborts.delete(id)
    }
  }
}

function facts({ code = 'ERR_INTERNAL', message }) {
  return { code, message }
}
