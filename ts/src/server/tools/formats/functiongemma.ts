// FunctionGemma: <start_function_call>call:name{key:value,...}<end_function_call>, with values between <escape>.

import { gemmaFormat } from '../gemma-calls.js'

export const functiongemma = gemmaFormat({
  name: 'functiongemma',
  opening: '<start_function_call>',
  closing: '<end_function_call>',
  quote: '<escape>',
  quotesAll: true,
})
