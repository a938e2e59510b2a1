// Every format of calls: one file in formats/, one line here. A format is chosen by name, or by the chat template.

import { InvalidArgumentError } from '../../errors.js'
import { apertus } from './formats/apertus.js'
import { cohere } from './formats/cohere.js'
import { deepseek } from './formats/deepseek.js'
import { deepseekDsml } from './formats/deepseek-dsml.js'
import { functionary } from './formats/functionary.js'
import { functiongemma } from './formats/functiongemma.js'
import { gemma4 } from './formats/gemma4.js'
import { gigachat } from './formats/gigachat.js'
import { glm45 } from './formats/glm45.js'
import { granite } from './formats/granite.js'
import { granite20bFc } from './formats/granite-20b-fc.js'
import { hermes } from './formats/hermes.js'
import { internlm } from './formats/internlm.js'
import { jamba } from './formats/jamba.js'
import { kimiK2 } from './formats/kimi-k2.js'
import { llama3Json } from './formats/llama3-json.js'
import { minimaxM2 } from './formats/minimax-m2.js'
import { mistral } from './formats/mistral.js'
import { nemotronJson } from './formats/nemotron-json.js'
import { phi4Mini } from './formats/phi4-mini.js'
import { pythonic } from './formats/pythonic.js'
import { qwen3Coder } from './formats/qwen3-coder.js'
import type { ToolFormat } from './tool-parser.js'

export const TOOL_FORMATS: readonly ToolFormat[] = [
  apertus,
  cohere,
  deepseek,
  deepseekDsml,
  functionary,
  functiongemma,
  gemma4,
  gigachat,
  glm45,
  granite,
  granite20bFc,
  hermes,
  internlm,
  jamba,
  kimiK2,
  llama3Json,
  minimaxM2,
  mistral,
  nemotronJson,
  phi4Mini,
  pythonic,
  qwen3Coder,
]

/** The format that a chat template teaches; undefined if it teaches none that is known. */
export function toolParserFor(templateSource: string): ToolFormat | undefined {
  return TOOL_FORMATS.find(format => format.taughtBy(templateSource))
}

/** @throws InvalidArgumentError for a name that no format has. */
export function toolParserNamed(name: string): ToolFormat {
  const found = TOOL_FORMATS.find(format => format.name === name || format.aliases.includes(name))
  if (found !== undefined) return found
  const names = TOOL_FORMATS.flatMap(format => [format.name, ...format.aliases]).toSorted()
  throw new InvalidArgumentError('toolCallParser', `toolCallParser must be one of ${names.join(', ')}.`, name)
}
