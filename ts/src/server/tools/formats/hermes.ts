// Hermes and Qwen: <tool_call>{"name": ..., "arguments": {...}}</tool_call>, one element a call.

import { markedJsonFormat } from '../json-calls.js'

export const hermes = markedJsonFormat({
  name: 'hermes',
  aliases: ['qwen', 'qwen2_5', 'qwen3', 'longcat'],
  opening: ['<tool_call>'],
  closing: ['</tool_call>'],
  taughtBy: source =>
    source.includes('<tool_call>') && !/<function=|<arg_key>|<tool_calls>|\|tool_call>|seed:tool_call/.test(source),
})
