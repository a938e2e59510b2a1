// Kimi K2 Thinking: <think>...</think>, which a section of tool calls may end as well.

import { delimitedFormat } from '../delimited.js'

export const kimiK2 = delimitedFormat({
  name: 'kimi_k2',
  opening: ['<think>'],
  closing: ['</think>'],
  endsBefore: ['<|tool_calls_section_begin|>'],
  taughtBy: source => source.includes('<think>') && source.includes('tool_calls_section_begin'),
})
