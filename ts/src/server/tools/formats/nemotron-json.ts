// Nemotron Nano, of Llama and of the second generation: <TOOLCALL>[{"name": ..., "arguments": {...}}, ...]</TOOLCALL>.

import { jsonList } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

export const nemotronJson = markedJsonFormat({
  name: 'nemotron_json',
  aliases: ['llama_nemotron_json'],
  opening: ['<TOOLCALL>'],
  closing: ['</TOOLCALL>'],
  taughtBy: source => source.includes('<TOOLCALL>'),
  callTag: options => jsonList({ begin: '<TOOLCALL>', end: '</TOOLCALL>' }, options),
})
