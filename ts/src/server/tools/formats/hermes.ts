// Hermes and Qwen: <tool_call>{"name": ..., "arguments": {...}}</tool_call>, one element a call.

import { jsonElements } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

/** Marks of other formats that have the element too. */
const OTHERS = ['<function=', '<arg_key>', '<tool_calls>', '<|tool_call>', '<seed:tool_call>']

export const hermes = markedJsonFormat({
  name: 'hermes',
  aliases: ['qwen', 'qwen2_5', 'qwen3', 'longcat'],
  opening: ['<tool_call>'],
  closing: ['</tool_call>'],
  taughtBy: source => source.includes('<tool_call>') && !OTHERS.some(mark => source.includes(mark)),
  callTag: options => jsonElements({ begin: '<tool_call>\n', end: '\n</tool_call>', separator: '\n' }, options),
})
