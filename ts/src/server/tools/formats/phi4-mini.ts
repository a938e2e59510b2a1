// Phi-4-mini and Firefunction: functools[{"name": ..., "arguments": {...}}, ...], or the list inside <|tool_call|>.

import { jsonList } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const phi4Mini = markedJsonFormat({
  name: 'phi4_mini_json',
  aliases: ['functools', 'firefunction_v2'],
  opening: ['functools', '<|tool_call|>'],
  closing: ['<|/tool_call|>'],
  taughtBy: source =>
    source.includes('functools[') || (source.includes('<|tool_call|>') && source.includes('<|/tool_call|>')),
  callTag: options =>
    jsonList(
      options.templateSource.includes('functools[')
        ? { begin: 'functools', end: '' }
        : { begin: '<|tool_call|>', end: '<|/tool_call|>' },
      options,
    ),
})
