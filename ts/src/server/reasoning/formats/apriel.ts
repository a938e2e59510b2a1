// Apriel: reasoning up to [BEGIN FINAL RESPONSE]; the prompt ends with the sentence that opens it.

import { delimitedFormat } from '../delimited.js'

export const apriel = delimitedFormat({
  name: 'apriel',
  aliases: ['apriel_thinker'],
  opening: ['Here are my reasoning steps:'],
  closing: ['[BEGIN FINAL RESPONSE]'],
  dropped: ['[END FINAL RESPONSE]'],
  taughtBy: source => source.includes('[BEGIN FINAL RESPONSE]'),
})
