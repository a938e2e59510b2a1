// Seed-OSS: <seed:think>...</seed:think>.

import { delimitedFormat } from '../delimited.js'

export const seedOss = delimitedFormat({
  name: 'seed_oss',
  keepsSpecialTokens: true,
  opening: ['<seed:think>'],
  closing: ['</seed:think>'],
  taughtBy: source => source.includes('<seed:think>'),
})
