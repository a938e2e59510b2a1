// Every form of reasoning: one file in formats/, one line here. A form is chosen by name, or by the chat template; what
// is more particular stands first.

import { InvalidArgumentError } from '../../errors.js'
import { apertus } from './formats/apertus.js'
import { apriel } from './formats/apriel.js'
import { cohere } from './formats/cohere.js'
import { deepseekR1 } from './formats/deepseek-r1.js'
import { gemma4 } from './formats/gemma4.js'
import { granite } from './formats/granite.js'
import { granite33 } from './formats/granite33.js'
import { kimiK2 } from './formats/kimi-k2.js'
import { mistral } from './formats/mistral.js'
import { qwen3 } from './formats/qwen3.js'
import { seedOss } from './formats/seed-oss.js'
import type { ReasoningFormat } from './reasoning-parser.js'

export const REASONING_FORMATS: readonly ReasoningFormat[] = [
  apertus,
  apriel,
  cohere,
  deepseekR1,
  gemma4,
  granite,
  granite33,
  kimiK2,
  mistral,
  seedOss,
  qwen3,
]

/** The form that a chat template has; undefined if it knows no reasoning. */
export function reasoningParserFor(templateSource: string): ReasoningFormat | undefined {
  return REASONING_FORMATS.find(format => format.taughtBy(templateSource))
}

/** @throws InvalidArgumentError for a name that no form has. */
export function reasoningParserNamed(name: string): ReasoningFormat {
  const found = REASONING_FORMATS.find(format => format.name === name || format.aliases.includes(name))
  if (found !== undefined) return found
  const names = REASONING_FORMATS.flatMap(format => [format.name, ...format.aliases]).toSorted()
  throw new InvalidArgumentError('reasoningParser', `reasoningParser must be one of ${names.join(', ')}.`, name)
}
