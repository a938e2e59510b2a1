// `prompt` of completions: a text, a list of ids, or a list of those. Ids may be millions, so that one loop looks at them.

import { z } from 'zod'
import type { CompletionPrompt } from '../completions/completion-request.js'
import { firstNoId } from './list-field.js'

const WANTED = 'must be a string, a list of token ids, or a list of those'
const id = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 }
const ids = { type: 'array', items: id, minItems: 1 }

/** The prompts, one at least. */
export const promptSchema: z.ZodType<readonly CompletionPrompt[], unknown> = z
  .unknown()
  .transform((value, context): readonly CompletionPrompt[] => {
    const complain = (path: readonly number[], input: unknown, message: string) => {
      context.issues.push({ code: 'custom', path: [...path], input, message, params: { field: true } })
      return z.NEVER
    }
    if (typeof value === 'string') return [value]
    if (!Array.isArray(value)) return complain([], value, WANTED)
    if (value.length === 0) return complain([], value, 'must not be an empty list')
    if (typeof value[0] === 'number') {
      const wrong = firstNoId(value)
      return wrong === -1
        ? [value as number[]]
        : complain([wrong], value[wrong], 'must be a token id, an integer from 0 on')
    }
    for (const [index, prompt] of value.entries()) {
      if (typeof prompt === 'string') continue
      if (!Array.isArray(prompt)) return complain([index], prompt, 'must be a string or a list of token ids')
      const wrong = firstNoId(prompt)
      if (wrong !== -1) return complain([index, wrong], prompt[wrong], 'must be a token id, an integer from 0 on')
    }
    return value as CompletionPrompt[]
  })
  .meta({
    anyOf: [{ type: 'string' }, ids, { type: 'array', items: { anyOf: [{ type: 'string' }, ids] }, minItems: 1 }],
  })
