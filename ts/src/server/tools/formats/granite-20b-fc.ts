// Granite 20B function calling: <function_call> before each JSON object.

import { jsonElements } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const granite20bFc = markedJsonFormat({
  name: 'granite-20b-fc',
  opening: ['<function_call>'],
  closing: ['</function_call>'],
  taughtBy: source => source.includes('<function_call>'),
  callTag: options => jsonElements({ begin: '<function_call> ', end: '', separator: '\n' }, options),
})
