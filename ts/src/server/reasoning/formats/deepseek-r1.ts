// DeepSeek R1 and models that always think: the answer is reasoning up to </think>, even without <think>.

import { delimitedFormat } from '../delimited.js'

export const deepseekR1 = delimitedFormat({
  name: 'deepseek_r1',
  aliases: ['step3', 'minimax_m2', 'qwq'],
  opening: ['<think>'],
  closing: ['</think>'],
  startsInside: true,
  taughtBy: source => source.includes('<｜Assistant｜>') && /<\/think>/.test(source) && !/<think>/.test(source),
})
