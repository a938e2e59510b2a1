// Ids of tool calls, where the model's text has none.

import { randomBytes, randomInt } from 'node:crypto'

export function randomCallId(): string {
  return `chatcmpl-tool-${randomBytes(16).toString('hex')}`
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Nine letters and digits: Mistral's templates refuse others. */
export function randomMistralCallId(): string {
  return Array.from({ length: 9 }, () => ALPHANUMERIC.charAt(randomInt(ALPHANUMERIC.length))).join('')
}
