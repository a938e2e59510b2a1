// Ids of tool calls, where the model's text has none.

import { randomBytes, randomId } from '../../engine/index.js'

export function randomCallId(): string {
  return `chatcmpl-tool-${randomId()}`
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Nine letters and digits: Mistral's templates refuse others. */
export function randomMistralCallId(): string {
  let id = ''
  while (id.length < 9) {
    // Bytes that would favour the first letters are drawn again.
    const [byte = 0] = randomBytes(1)
    if (byte < 256 - (256 % ALPHANUMERIC.length)) id += ALPHANUMERIC.charAt(byte % ALPHANUMERIC.length)
  }
  return id
}
