// Granite 3 and 4: <|tool_call|> or <tool_call> before a JSON list of calls.

import { jsonList } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const granite = markedJsonFormat({
  name: 'granite',
  aliases: ['granite3'],
  opening: ['<|tool_call|>', '<tool_call>'],
  closing: ['</tool_call>'],
  taughtBy: source => source.includes('<|tool_call|>') && source.includes('<|start_of_role|>'),
  callTag: options => jsonList({ begin: '<|tool_call|>', end: '' }, options),
})
