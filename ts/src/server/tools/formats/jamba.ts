// Jamba and Apriel: <tool_calls>[{"name": ..., "arguments": {...}}, ...]</tool_calls>.

import { jsonList } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const jamba = markedJsonFormat({
  name: 'jamba',
  aliases: ['apriel', 'minimax'],
  opening: ['<tool_calls>'],
  closing: ['</tool_calls>'],
  taughtBy: source => source.includes('<tool_calls>[') || source.includes('<tool_calls>\\n'),
  callTag: options => jsonList({ begin: '<tool_calls>', end: '</tool_calls>' }, options),
})
