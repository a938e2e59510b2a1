// DeepSeek V3.2 and V4: <｜DSML｜invoke name="..."> elements with typed parameters, inside of function_calls or tool_calls.

import { invokeFormat } from '../invoke-calls.js'

export const deepseekDsml = invokeFormat({
  name: 'deepseek_v32',
  aliases: ['deepseek_v4'],
  opening: ['<｜DSML｜function_calls>', '<｜DSML｜tool_calls>'],
  closing: ['</｜DSML｜function_calls>', '</｜DSML｜tool_calls>'],
  prefix: '｜DSML｜',
  taughtBy: source => source.includes('｜DSML｜'),
})
