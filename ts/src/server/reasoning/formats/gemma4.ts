// Gemma 4: a channel of thought before the answer.

import { delimitedFormat } from '../delimited.js'

export const gemma4 = delimitedFormat({
  name: 'gemma4',
  keepsSpecialTokens: true,
  opening: ['<|channel>thought'],
  closing: ['<channel|>'],
  taughtBy: source => source.includes('<|channel>thought'),
})
