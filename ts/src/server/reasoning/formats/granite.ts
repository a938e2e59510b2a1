// Granite 3.2: reasoning and answer are opened by sentences.

import { delimitedFormat } from '../delimited.js'

export const granite = delimitedFormat({
  name: 'granite',
  opening: ['Here is my thought process:', "Here's my thought process:"],
  closing: ['Here is my response:', "Here's my response:"],
  taughtBy: source => source.includes('Here is my thought process:'),
})
