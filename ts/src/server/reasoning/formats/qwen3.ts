// <think>...</think>, which the model may leave out: Qwen 3, GLM 4.5, DeepSeek V3.1, SmolLM3, Nemotron 3 and many others.

import { delimitedFormat } from '../delimited.js'

export const qwen3 = delimitedFormat({
  name: 'qwen3',
  aliases: ['think', 'glm45', 'deepseek_v3', 'deepseek_v4', 'nemotron_v3', 'olmo3', 'step3p5', 'smollm3', 'mimo'],
  opening: ['<think>'],
  closing: ['</think>'],
  taughtBy: source => /<\/?think>/.test(source),
})
