// Gemma 4: <|tool_call>call:name{key:value,...}<tool_call|>, with strings between <|"|>.

import { gemmaFormat } from '../gemma-calls.js'

export const gemma4 = gemmaFormat({
  name: 'gemma4',
  opening: '<|tool_call>',
  closing: '<tool_call|>',
  quote: '<|"|>',
})
