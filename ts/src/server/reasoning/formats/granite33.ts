// Granite 3.3: <think>...</think>, and the answer in <response>...</response>.

import { delimitedFormat } from '../delimited.js'

export const granite33 = delimitedFormat({
  name: 'granite33',
  opening: ['<think>'],
  closing: ['</think>'],
  dropped: ['<response>', '</response>'],
  taughtBy: source => source.includes('<think></think>') && source.includes('<response></response>'),
})
