// Lays the tokens of a stream over its text. Text and tokens come in the same events, but not in step: the server holds back
// text that may become a stop string, leaves out special tokens, and joins tokens that are parts of one character.

const decoder = new TextDecoder()
/** How far a token's text may lie ahead: what a parser took away in between. */
const SEARCH_CHARACTERS = 16

export class TokenAligner {
  #emit
  /** Text that no token is laid over yet: pieces of one channel each. */
  #texts = []
  #tokens = []

  /** `emit(channel, text, token)`: text to be shown, in order; token undefined where none is known. */
  constructor(emit) {
    this.#emit = emit
  }

  addText(channel, text) {
    if (text === '') return
    const last = this.#texts.at(-1)
    if (last?.channel === channel) last.text += text
    else this.#texts.push({ channel, text })
  }

  /** Entries of `logprobs.content`. */
  addTokens(tokens) {
    for (const token of tokens) {
      const text = tokenText(token)
      if (text !== '') this.#tokens.push({ ...token, text })
    }
  }

  /** Shows what can be shown; to be called after each event. */
  settle() {
    while (this.#texts.length > 0 && this.#tokens.length > 0) {
      if (!this.#place(this.#tokens[0])) return
    }
    // Without tokens at hand, text does not wait for any.
    this.#flush()
  }

  /** Nothing more will come. */
  end() {
    this.settle()
    this.#flush()
    this.#tokens = []
  }

  /** False: more text is needed to tell where the token is. */
  #place(token) {
    const { channel, text } = this.#texts[0]
    for (const shown of [token.text, token.text.trimStart()]) {
      if (shown === '') continue
      const at = text.slice(0, SEARCH_CHARACTERS + shown.length).indexOf(shown)
      if (at >= 0) {
        if (at > 0) this.#take(channel, at, undefined)
        this.#take(channel, shown.length, token)
        this.#tokens.shift()
        return true
      }
      if (this.#texts.length === 1 && shown.startsWith(text)) return false
    }
    this.#tokens.shift()
    return true
  }

  #take(channel, length, token) {
    const first = this.#texts[0]
    this.#emit(channel, first.text.slice(0, length), token)
    first.text = first.text.slice(length)
    if (first.text === '') this.#texts.shift()
  }

  #flush() {
    for (const { channel, text } of this.#texts) this.#emit(channel, text, undefined)
    this.#texts = []
  }
}

/** The server may write tokens by their ids; their bytes are the text in any case. */
export function tokenText({ token, bytes }) {
  return bytes == null ? token : decoder.decode(Uint8Array.from(bytes))
}
