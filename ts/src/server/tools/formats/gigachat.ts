// GigaChat 3: <|function_call|> before a JSON object; in its first version a turn of the role "function call".

import { jsonElements } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const gigachat = markedJsonFormat({
  name: 'gigachat3',
  opening: ['<|function_call|>', '<|message_sep|>\n\nfunction call<|role_sep|>', 'function call<|role_sep|>'],
  closing: ['<|message_sep|>'],
  taughtBy: source =>
    source.includes('<|message_sep|>') && ['<|function_call|>', 'function call'].some(mark => source.includes(mark)),
  callTag: options =>
    options.templateSource.includes('<|function_call|>')
      ? jsonElements({ begin: '<|function_call|>', end: '', separator: '' }, { ...options, parallelToolCalls: false })
      : undefined,
})
