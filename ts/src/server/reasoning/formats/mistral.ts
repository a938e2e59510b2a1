// Magistral and Ministral: [THINK]...[/THINK], both special tokens.

import { delimitedFormat } from '../delimited.js'

export const mistral = delimitedFormat({
  name: 'mistral',
  aliases: ['magistral'],
  keepsSpecialTokens: true,
  opening: ['[THINK]'],
  closing: ['[/THINK]'],
  taughtBy: source => source.includes('[THINK]'),
})
