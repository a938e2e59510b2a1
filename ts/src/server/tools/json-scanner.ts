// Follows one JSON value through a text that comes in pieces: where it ends, or where it stops being JSON. What it gives
// on is the text itself, save for control characters inside strings, which models write raw and JSON wants escaped.

type Mode =
  | 'value'
  | 'first element'
  | 'key'
  | 'first key'
  | 'colon'
  | 'after value'
  | 'string'
  | 'escape'
  | 'hex'
  | 'scalar'

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const SCALAR_CHARACTER = /[\w.+-]/
const LITERALS = ['true', 'false', 'null']

export class JsonScanner {
  #mode: Mode = 'value'
  /** Which brackets are open. */
  readonly #open: ('{' | '[')[] = []
  #stringIsKey = false
  #hexDigits = 0
  #scalar = ''
  #state: 'open' | 'complete' | 'invalid' = 'open'

  get state(): 'open' | 'complete' | 'invalid' {
    return this.#state
  }

  /** Reads on in `text`. `length`: how much of it belongs to the value; `json`: that part as JSON. */
  read(text: string): { readonly length: number; readonly json: string } {
    let json = ''
    let copied = 0
    let at = 0
    while (at < text.length && this.#state === 'open') {
      const character = text.charAt(at)
      if (this.#mode === 'string' && character < ' ') {
        json += text.slice(copied, at) + JSON.stringify(character).slice(1, -1)
        copied = at + 1
        at += 1
      } else if (this.#step(character)) at += 1
    }
    return { length: at, json: json + text.slice(copied, at) }
  }

  /** The text is over: a number may be complete by that. */
  finish(): void {
    if (this.#mode === 'scalar' && this.#state === 'open') this.#endScalar()
  }

  /** False if the character was not taken: the value ended before it, is wrong at it, or it is to be read again. */
  #step(character: string): boolean {
    switch (this.#mode) {
      case 'string':
        if (character === '\\') this.#mode = 'escape'
        else if (character === '"') this.#endString()
        return true
      case 'escape':
        if (character === 'u') {
          this.#mode = 'hex'
          this.#hexDigits = 0
        } else if ('"\\/bfnrt'.includes(character)) this.#mode = 'string'
        else return this.#fail()
        return true
      case 'hex':
        if (!/[0-9a-fA-F]/.test(character)) return this.#fail()
        this.#hexDigits += 1
        if (this.#hexDigits === 4) this.#mode = 'string'
        return true
      case 'scalar':
        if (SCALAR_CHARACTER.test(character) && this.#scalar.length < 400) {
          this.#scalar += character
          return true
        }
        this.#endScalar()
        return false
      default:
        return ' \n\t\r'.includes(character) || this.#structure(character)
    }
  }

  #structure(character: string): boolean {
    const mode = this.#mode
    if (mode === 'colon') {
      if (character !== ':') return this.#fail()
      this.#mode = 'value'
      return true
    }
    if (mode === 'after value') {
      if (character !== ',') return this.#close(character)
      this.#mode = this.#open.at(-1) === '{' ? 'key' : 'value'
      return true
    }
    if (mode === 'key' || mode === 'first key') {
      if (character !== '"') return mode === 'first key' ? this.#close(character) : this.#fail()
      this.#stringIsKey = true
      this.#mode = 'string'
      return true
    }
    if (mode === 'first element' && character === ']') return this.#close(character)
    return this.#beginValue(character)
  }

  #beginValue(character: string): boolean {
    if (character === '{' || character === '[') {
      this.#open.push(character)
      this.#mode = character === '{' ? 'first key' : 'first element'
    } else if (character === '"') {
      this.#stringIsKey = false
      this.#mode = 'string'
    } else if (/[-\da-z]/.test(character)) {
      this.#scalar = character
      this.#mode = 'scalar'
    } else return this.#fail()
    return true
  }

  #close(character: string): boolean {
    if (character !== (this.#open.at(-1) === '{' ? '}' : ']')) return this.#fail()
    this.#open.pop()
    this.#endValue()
    return true
  }

  #endString(): void {
    if (this.#stringIsKey) this.#mode = 'colon'
    else this.#endValue()
  }

  #endScalar(): void {
    if (NUMBER.test(this.#scalar) || LITERALS.includes(this.#scalar)) this.#endValue()
    else this.#fail()
  }

  #endValue(): void {
    this.#mode = 'after value'
    if (this.#open.length === 0) this.#state = 'complete'
  }

  #fail(): false {
    this.#state = 'invalid'
    return false
  }
}
