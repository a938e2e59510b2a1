// The text side in the page's thread: short texts are tokenized here, long ones in the Worker, so that the page is never held
// up by them.

import type { Text } from '../binding/index.js'
import type { EngineWorker } from './engine-worker.js'

/** A few milliseconds of work. */
const SHORT_CHARACTERS = 2000

/** The same object, with calls of its own. */
export function textWithWorker(text: Text, worker: EngineWorker): Text {
  const encode = text.encode.bind(text)
  const encodePooled = text.encodePooled.bind(text)
  return Object.assign(text, {
    encode: (...values: Parameters<Text['encode']>) =>
      isShort(values[0]) ? encode(...values) : worker.tokenize({ name: 'encode', values }),
    encodePooled: (...values: Parameters<Text['encodePooled']>) =>
      isShort(values[0]) && isShort(values[1])
        ? encodePooled(...values)
        : worker.tokenize({ name: 'encodePooled', values }),
  })
}

function isShort(texts: readonly string[]): boolean {
  return texts.reduce((sum, text) => sum + text.length, 0) <= SHORT_CHARACTERS
}
