// The arguments of a call that names its parameters one by one and writes their values as text: told as one JSON object,
// texts while they come, other types when they are whole.

import type { Answer } from './answer.js'
import type { Reading } from './text-cursor.js'
import type { JsonObject } from './tool-parser.js'
import { isOnlyText, jsonOfText, typesOf } from './typed-value.js'

export class TypedArguments {
  readonly #answer: Answer
  readonly #parameters: JsonObject | undefined
  readonly #names = new Set<string>()
  #cut = false

  /** For the last call that was told. */
  constructor(answer: Answer, name: string) {
    this.#answer = answer
    this.#parameters = answer.tools.find(tool => tool.name === name)?.parameters
    answer.arguments('{')
  }

  /**
   * Reads a value up to its closing mark. A line break after the opening mark and one before the closing mark are
   * markup. `text`: the format says itself whether it is a text.
   */
  *read(name: string, closing: readonly string[], text?: boolean): Reading<string | undefined> {
    const types = typesOf(this.#parameters, name)
    // JSON has each name once: a value that comes again is passed over.
    if (this.#names.has(name)) return yield* this.#answer.cursor.takeUntil(closing, () => {})
    const separator = this.#names.size === 0 ? '' : ', '
    this.#names.add(name)
    this.#answer.arguments(`${separator}${JSON.stringify(name)}: `)
    yield* this.#answer.cursor.accept('\n')
    if (text ?? isOnlyText(types)) return yield* this.#text(closing)
    let value = ''
    const mark = yield* this.#answer.cursor.takeUntil(closing, part => {
      value += part
    })
    if (mark === undefined) {
      this.#cut = true
      return undefined
    }
    const all = text === false ? new Set([...types, 'number', 'boolean', 'null', 'object', 'array']) : types
    this.#answer.arguments(jsonOfText(value.replace(/\n$/, ''), all))
    return mark
  }

  /** Closes the object; one whose last value the end of the text cut off stays open, so that it is not taken for whole. */
  finish(): void {
    if (!this.#cut) this.#answer.arguments('}')
  }

  *#text(closing: readonly string[]): Reading<string | undefined> {
    const { cursor } = this.#answer
    const tell = (part: string) => this.#answer.arguments(escapeJson(part))
    let lineBreak = ''
    this.#answer.arguments('"')
    const mark = yield* cursor.takeUntil(closing, part => {
      const all = lineBreak + part
      lineBreak = all.endsWith('\n') ? '\n' : ''
      tell(all.slice(0, all.length - lineBreak.length))
    })
    if (mark === undefined) {
      this.#cut = true
      tell(lineBreak)
    } else this.#answer.arguments('"')
    return mark
  }
}

/** The inside of a JSON string. Halves of surrogate pairs pass as they are: the other half may come later. */
function escapeJson(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what JSON wants escaped.
  return text.replace(/["\\\u0000-\u001f]/g, character => JSON.stringify(character).slice(1, -1))
}
