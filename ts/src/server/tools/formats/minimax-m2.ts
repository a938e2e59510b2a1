// MiniMax M2: <invoke name="..."> elements with parameters, inside of <minimax:tool_call>.

import { invokeFormat } from '../invoke-calls.js'

export const minimaxM2 = invokeFormat({
  name: 'minimax_m2',
  aliases: [],
  opening: ['<minimax:tool_call>'],
  closing: ['</minimax:tool_call>'],
  prefix: '',
  taughtBy: source => source.includes('<minimax:tool_call>'),
})
