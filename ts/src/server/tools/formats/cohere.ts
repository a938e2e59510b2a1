// Command R7B and A: <|START_ACTION|>[{"tool_name": ..., "parameters": {...}}, ...]<|END_ACTION|>.

import type { CallShape } from '../call-schemas.js'
import { jsonList } from '../call-tags.js'
import { markedJsonFormat } from '../json-calls.js'

const ID = 'tool_call_id'
const NAME = 'tool_name'

const shape: CallShape = (name, args) => ({
  [ID]: { type: 'string', pattern: '^[0-9]{1,4}$' },
  [NAME]: { const: name },
  parameters: args,
})

export const cohere = markedJsonFormat({
  name: 'cohere',
  aliases: ['cohere_command3', 'command_r7b'],
  opening: ['<|START_ACTION|>'],
  closing: ['<|END_ACTION|>'],
  taughtBy: source => source.includes('<|START_ACTION|>'),
  callTag: options => jsonList({ begin: '<|START_ACTION|>', end: '<|END_ACTION|>', shape }, options),
})
