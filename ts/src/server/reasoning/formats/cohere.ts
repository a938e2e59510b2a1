// Command R7B and A: special tokens around the reasoning and around the response; an action ends the reasoning as well.

import { delimitedFormat } from '../delimited.js'

export const cohere = delimitedFormat({
  name: 'cohere',
  aliases: ['cohere_command3'],
  keepsSpecialTokens: true,
  opening: ['<|START_THINKING|>'],
  closing: ['<|END_THINKING|>'],
  endsBefore: ['<|START_ACTION|>'],
  dropped: ['<|START_RESPONSE|>', '<|END_RESPONSE|>', '<|START_TEXT|>', '<|END_TEXT|>'],
  taughtBy: source => source.includes('<|START_THINKING|>'),
})
