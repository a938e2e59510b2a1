// Command R7B and A: <|START_ACTION|>[{"tool_name": ..., "parameters": {...}}, ...]<|END_ACTION|>.

import { markedJsonFormat } from '../json-calls.js'

export const cohere = markedJsonFormat({
  name: 'cohere',
  aliases: ['cohere_command3', 'command_r7b'],
  opening: ['<|START_ACTION|>'],
  closing: ['<|END_ACTION|>'],
  taughtBy: source => source.includes('<|START_ACTION|>'),
})
