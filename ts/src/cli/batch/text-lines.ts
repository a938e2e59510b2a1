// Lines out of bytes that come in pieces: UTF-8, of bounded length, with `\n` or `\r\n`.

import { StringDecoder } from 'node:string_decoder'

export interface TextLine {
  /** From 1. */
  readonly number: number
  /** Undefined if the line is longer than allowed. */
  readonly text: string | undefined
}

/** What editors of Windows begin files with. */
const BYTE_ORDER_MARK = '\ufeff'

/** Lines that are blank are left out, but counted. */
export async function* textLines(
  pieces: AsyncIterable<Uint8Array>,
  mostCharacters: number,
): AsyncGenerator<TextLine, void, undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let tooLong = false
  let number = 0
  function* linesOf(text: string): Generator<TextLine, void, undefined> {
    let at = 0
    for (let feed = text.indexOf('\n'); feed >= 0; feed = text.indexOf('\n', at)) {
      const line = rest + text.slice(at, feed)
      yield* lineOf(line)
      at = feed + 1
    }
    rest += text.slice(at)
    if (rest.length > mostCharacters) [rest, tooLong] = ['', true]
  }
  function* lineOf(whole: string): Generator<TextLine, void, undefined> {
    const line = number === 0 && whole.startsWith(BYTE_ORDER_MARK) ? whole.slice(1) : whole
    number += 1
    if (tooLong || line.length > mostCharacters) yield { number, text: undefined }
    else if (line.trim() !== '') yield { number, text: line }
    ;[rest, tooLong] = ['', false]
  }
  for await (const piece of pieces) yield* linesOf(decoder.write(Buffer.from(piece)))
  yield* linesOf(decoder.end())
  if (rest !== '' || tooLong) yield* lineOf(rest)
}
