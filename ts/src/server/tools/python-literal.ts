// Values as Python writes them (strings, numbers, lists, dictionaries, True, None), read into JSON.

import { type Reading, SPACE, TextCursor } from './text-cursor.js'

const MAX_DEPTH = 64
const WORDS: Readonly<Record<string, string>> = {
  True: 'true',
  False: 'false',
  None: 'null',
  true: 'true',
  false: 'false',
  null: 'null',
}
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '0': '\0',
  '\n': '',
}
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }
const NUMBER = /^[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/** The JSON of one value; undefined if it is none, or the text ends in it. */
export function* readPythonValue(cursor: TextCursor, depth = 0): Reading<string | undefined> {
  if (depth > MAX_DEPTH) return undefined
  const first = yield* cursor.peek()
  if (first === '"' || first === "'") {
    const text = yield* readString(cursor)
    return text === undefined ? undefined : JSON.stringify(text)
  }
  if (first === '[' || first === '(') return yield* readList(cursor, first === '[' ? ']' : ')', depth)
  if (first === '{') return yield* readDictionary(cursor, depth)
  return scalarOf(yield* cursor.takeWhile(/^[\w.+-]$/, 400))
}

/** The same of a text that is all there. */
export function pythonToJson(text: string): string | undefined {
  const cursor = new TextCursor()
  cursor.append(text)
  cursor.end()
  const { value, done } = readPythonValue(cursor).next()
  return done === true && cursor.unread.trim() === '' ? value : undefined
}

function scalarOf(word: string): string | undefined {
  if (Object.hasOwn(WORDS, word)) return WORDS[word]
  if (!NUMBER.test(word)) return undefined
  const digits = word.replaceAll('_', '').replace(/^\+/, '')
  if (/^-?(?:0|[1-9]\d*)$/.test(digits)) return digits
  const number = Number(digits)
  return Number.isFinite(number) ? JSON.stringify(number) : undefined
}

function* readList(cursor: TextCursor, end: string, depth: number): Reading<string | undefined> {
  const values: string[] = []
  cursor.take(1)
  for (;;) {
    yield* cursor.skip(SPACE)
    if (yield* cursor.accept(end)) return `[${values.join(', ')}]`
    const value = yield* readPythonValue(cursor, depth + 1)
    if (value === undefined) return undefined
    values.push(value)
    if (!(yield* readComma(cursor, end))) return undefined
  }
}

function* readDictionary(cursor: TextCursor, depth: number): Reading<string | undefined> {
  const members: string[] = []
  cursor.take(1)
  for (;;) {
    yield* cursor.skip(SPACE)
    if (yield* cursor.accept('}')) return `{${members.join(', ')}}`
    const key = yield* readPythonValue(cursor, depth + 1)
    yield* cursor.skip(SPACE)
    if (key === undefined || /^[[{]/.test(key) || !(yield* cursor.accept(':'))) return undefined
    yield* cursor.skip(SPACE)
    const value = yield* readPythonValue(cursor, depth + 1)
    if (value === undefined) return undefined
    members.push(`${key.startsWith('"') ? key : JSON.stringify(key)}: ${value}`)
    if (!(yield* readComma(cursor, '}'))) return undefined
  }
}

/** Takes a comma; true also where `end` comes next. */
export function* readComma(cursor: TextCursor, end: string): Reading<boolean> {
  yield* cursor.skip(SPACE)
  return (yield* cursor.accept(',')) || (yield* cursor.peek()) === end
}

function* readString(cursor: TextCursor): Reading<string | undefined> {
  let quote = cursor.take(1)
  if (yield* cursor.accept(quote)) {
    if (!(yield* cursor.accept(quote))) return ''
    quote = quote.repeat(3)
  }
  let text = ''
  for (;;) {
    const mark = yield* cursor.takeUntil([quote, '\\'], part => {
      text += part
    })
    if (mark === undefined) return undefined
    if (mark === quote) return text
    const escaped = yield* readEscape(cursor)
    if (escaped === undefined) return undefined
    text += escaped
  }
}

function* readEscape(cursor: TextCursor): Reading<string | undefined> {
  const letter = yield* cursor.peek()
  if (letter === '') return undefined
  cursor.take(1)
  if (Object.hasOwn(ESCAPES, letter)) return ESCAPES[letter]
  const count = Object.hasOwn(HEX_DIGITS, letter) ? HEX_DIGITS[letter] : undefined
  if (count === undefined) return '\\\'"'.includes(letter) ? letter : `\\${letter}`
  const digits = yield* cursor.takeWhile(/^[\da-fA-F]$/, count)
  const code = Number.parseInt(digits, 16)
  return digits.length === count && code <= 0x10ffff ? String.fromCodePoint(code) : undefined
}
