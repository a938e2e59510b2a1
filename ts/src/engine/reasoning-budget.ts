// Budgets of reasoning: how many tokens a sequence may think, counted as its tokens come, and which token has to come next when
// they are used up.

import { check } from '../config/check.js'
import { InvalidArgumentError } from '../errors.js'

/** How long the outputs of a request may reason, in ids. Data: it crosses to the thread of the loop. */
export interface ReasoningBudget {
  /** Most tokens between the marks. 0: the reasoning ends where it begins. */
  readonly tokens: number
  /** The outputs begin inside of the reasoning. */
  readonly isOpen: boolean
  /** Marks that open the reasoning, each as its ids. */
  readonly opening: readonly (readonly number[])[]
  /** Marks that end it. The first is what is written when the budget is used up. */
  readonly closing: readonly (readonly number[])[]
}

/** @throws InvalidArgumentError. */
export function checkReasoningBudget(budget: ReasoningBudget, vocabSize: number): void {
  const { tokens, isOpen, opening, closing } = check.object('reasoningBudget', budget) as ReasoningBudget
  check.integer('reasoningBudget.tokens', tokens, 0, 2 ** 31 - 1)
  check.boolean('reasoningBudget.isOpen', isOpen)
  const wrong = (field: string, what: string, value: unknown) =>
    new InvalidArgumentError(`reasoningBudget.${field}`, `reasoningBudget.${field} ${what}.`, value)
  for (const [field, marks] of Object.entries({ opening, closing })) {
    if (!Array.isArray(marks)) throw wrong(field, 'must be a list of marks', marks)
    for (const mark of marks) {
      if (!Array.isArray(mark) || mark.length === 0) throw wrong(field, 'must have marks of at least one id', mark)
      const stray = mark.find(id => !Number.isInteger(id) || id < 0 || id >= vocabSize)
      if (stray !== undefined) throw wrong(field, `has an id that the model has not: ${String(stray)}`, stray)
    }
  }
  if (closing.length === 0) throw wrong('closing', 'must have a mark', closing)
}

/** The reasoning of one sequence: it opens at most once, and what follows its end is none. */
export class ReasoningCount {
  readonly #budget: ReasoningBudget
  readonly #longestMark: number
  #place: 'before' | 'inside' | 'after'
  #numTokens = 0
  /** The last ids of this place, as many as a mark may have. */
  #recent: number[] = []

  constructor(budget: ReasoningBudget) {
    this.#budget = budget
    this.#longestMark = Math.max(...[...budget.opening, ...budget.closing].map(({ length }) => length))
    this.#place = budget.isOpen ? 'inside' : 'before'
  }

  append(tokenIds: Int32Array): void {
    for (const id of tokenIds) {
      if (this.#place === 'after') return
      this.#take(id)
    }
  }

  /** The only id that may come next; undefined: any. */
  get forcedId(): number | undefined {
    const { tokens, closing } = this.#budget
    if (this.#place !== 'inside' || this.#numTokens < tokens) return undefined
    const mark = closing[0] ?? []
    return mark[begun(mark, this.#recent)]
  }

  #take(id: number): void {
    const { opening, closing } = this.#budget
    this.#recent.push(id)
    if (this.#recent.length > this.#longestMark) this.#recent.shift()
    if (this.#place === 'inside') this.#numTokens += 1
    const marks = this.#place === 'inside' ? closing : opening
    if (!marks.some(mark => endsWith(this.#recent, mark))) return
    this.#place = this.#place === 'inside' ? 'after' : 'inside'
    this.#recent = []
  }
}

/** How many ids of the mark stand at the end already, of a mark that is not whole. */
function begun(mark: readonly number[], ids: readonly number[]): number {
  for (let length = Math.min(mark.length - 1, ids.length); length > 0; length -= 1) {
    if (endsWith(ids, mark.slice(0, length))) return length
  }
  return 0
}

function endsWith(ids: readonly number[], end: readonly number[]): boolean {
  const start = ids.length - end.length
  return start >= 0 && end.every((id, index) => ids[start + index] === id)
}
