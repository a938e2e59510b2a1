// From a number of tokens to a budget of reasoning: the marks of the format as ids of this model.

import type { ReasoningBudget } from '../../engine/index.js'
import { InvalidArgumentError } from '../../errors.js'
import type { ReasoningFormat } from '../reasoning/index.js'
import type { GenerationContext } from '../server-context.js'

/** What a mark may follow: tokenizers write it otherwise at the beginning of a text than after a line. */
const BEFORE = '\n'

export interface ThinkingBudgetOptions {
  readonly tokens: number
  readonly format: ReasoningFormat
  /** The prompt as text. */
  readonly prompt: string
  /** Ids that alone may come; undefined: all. */
  readonly allowedTokenIds: readonly number[] | undefined
}

/** @throws InvalidArgumentError where the end of the reasoning could not be written. */
export async function thinkingBudget(
  { tokens, format, prompt, allowedTokenIds }: ThinkingBudgetOptions,
  { engine }: Pick<GenerationContext, 'engine'>,
  signal: AbortSignal,
): Promise<ReasoningBudget> {
  const { opening, closing } = format.marks
  const marks = [...opening, ...closing]
  const texts = [BEFORE, ...marks, ...marks.map(mark => BEFORE + mark)]
  const [before = new Int32Array(0), ...encoded] = await engine.encode(texts, false, signal)
  const ids = marks.map((_, index) =>
    spellings(encoded[index] as Int32Array, encoded[marks.length + index] as Int32Array, before),
  )
  const budget: ReasoningBudget = {
    tokens,
    isOpen: format.beginsInside(prompt),
    opening: ids.slice(0, opening.length).flat(),
    closing: ids.slice(opening.length).flat(),
  }
  const lacking = budget.closing[0]?.find(id => allowedTokenIds?.includes(id) === false)
  if (lacking === undefined) return budget
  throw new InvalidArgumentError(
    'thinkingTokenBudget',
    `thinkingTokenBudget needs the mark that ends the reasoning, but its id ${lacking} is none of allowedTokenIds.`,
    tokens,
  )
}

/** @throws InvalidArgumentError: a budget of what there is not. */
export function refuseThinkingBudget(tokens: number): never {
  throw new InvalidArgumentError(
    'thinkingTokenBudget',
    'thinkingTokenBudget needs a reasoning parser: the chat template shows none that is known, or it was switched off. The option reasoningParser (--reasoning-parser) names one.',
    tokens,
  )
}

/** The ids of a mark in the middle of a text, which is where it mostly stands, then those at the beginning of one if they differ. */
function spellings(alone: Int32Array, after: Int32Array, before: Int32Array): readonly (readonly number[])[] {
  const follows = before.every((id, index) => after[index] === id) && after.length > before.length
  const inside = follows ? [...after.subarray(before.length)] : undefined
  const first = [...alone]
  if (inside === undefined || inside.join() === first.join()) return [first]
  return [inside, first]
}
