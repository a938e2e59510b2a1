// InternLM 2: <|action_start|><|plugin|> before a JSON object, <|action_end|> after it.

import { jsonElements } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const internlm = markedJsonFormat({
  name: 'internlm',
  opening: ['<|action_start|><|plugin|>', '<|action_start|> <|plugin|>'],
  closing: ['<|action_end|>'],
  taughtBy: source => source.includes('<|action_start|>'),
  callTag: options =>
    jsonElements({ begin: '<|action_start|><|plugin|>\n', end: '<|action_end|>', separator: '\n' }, options),
})
