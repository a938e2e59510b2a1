// InternLM 2: <|action_start|><|plugin|> before a JSON object, <|action_end|> after it.

import { markedJsonFormat } from '../json-calls.js'

export const internlm = markedJsonFormat({
  name: 'internlm',
  opening: ['<|action_start|><|plugin|>', '<|action_start|> <|plugin|>'],
  closing: ['<|action_end|>'],
  taughtBy: source => source.includes('<|action_start|>'),
})
