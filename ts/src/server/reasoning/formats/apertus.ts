// Apertus: <|inner_prefix|>...<|inner_suffix|>; a list of tool calls ends the reasoning as well.

import { delimitedFormat } from '../delimited.js'

export const apertus = delimitedFormat({
  name: 'apertus',
  keepsSpecialTokens: true,
  opening: ['<|inner_prefix|>'],
  closing: ['<|inner_suffix|>'],
  endsBefore: ['<|tools_prefix|>'],
  taughtBy: source => source.includes('<|inner_prefix|>'),
})
