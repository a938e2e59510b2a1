// Logits processors at work: before a step is sampled, each row of a sequence that has some goes through them, then through its
// budget of reasoning, and what they made of it is handed to the sampler. Rows of other sequences are neither copied nor looked at.

import type { Grammars, HostSampler, ProcessorFailure, StepOutput } from '../binding/index.js'
import type { LogitsContext } from '../config/logits-processors.js'
import { LogitsProcessorError } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { BoundProcessors, NamedProcess } from './processor-registry.js'
import { ReasoningCount } from './reasoning-budget.js'
import { isStrayPromise } from './stray-promise.js'

/** A sequence that has processors. */
class ProcessedSequence {
  readonly #bound: BoundProcessors
  readonly #promptTokenIds: Int32Array
  readonly #index: number
  readonly #reasoning: ReasoningCount | undefined
  #outputTokenIds = new Int32Array(16)
  #numOutputTokens = 0

  constructor(bound: BoundProcessors, promptTokenIds: Int32Array, index: number) {
    this.#bound = bound
    this.#promptTokenIds = promptTokenIds
    this.#index = index
    this.#reasoning = bound.reasoningBudget && new ReasoningCount(bound.reasoningBudget)
  }

  get processors(): readonly NamedProcess[] {
    return this.#bound.processors
  }

  /** The only id that its budget of reasoning lets come. */
  get forcedId(): number | undefined {
    return this.#reasoning?.forcedId
  }

  get context(): LogitsContext {
    return {
      promptTokenIds: this.#promptTokenIds,
      outputTokenIds: this.#outputTokenIds.subarray(0, this.#numOutputTokens),
      index: this.#index,
      args: this.#bound.args,
    }
  }

  append(tokenIds: Int32Array): void {
    this.#reasoning?.append(tokenIds)
    if (this.processors.length === 0) return
    const length = this.#numOutputTokens + tokenIds.length
    if (length > this.#outputTokenIds.length) {
      // A new array: the one before may be in a processor's hands.
      const longer = new Int32Array(2 * length)
      longer.set(this.#outputTokenIds.subarray(0, this.#numOutputTokens))
      this.#outputTokenIds = longer
    }
    this.#outputTokenIds.set(tokenIds, this.#numOutputTokens)
    this.#numOutputTokens = length
  }
}

export class RowProcessing {
  readonly #sampler: HostSampler
  readonly #vocabSize: number
  readonly #sequences = new Map<number, ProcessedSequence>()
  /** The row that processors are given, one after the other. */
  #row: Float32Array
  #failures: ProcessorFailure[] = []

  constructor(sampler: HostSampler, vocabSize: number) {
    this.#sampler = sampler
    this.#vocabSize = vocabSize
    this.#row = new Float32Array(vocabSize)
  }

  /** Lets the rows of `count` sequences from `first` be processed, before their first step. */
  add(first: number, count: number, promptTokenIds: Int32Array, bound: BoundProcessors): void {
    const prompt = promptTokenIds.slice()
    for (let index = 0; index < count; index += 1) {
      this.#sequences.set(first + index, new ProcessedSequence(bound, prompt, index))
    }
  }

  /** Forgets a sequence. */
  remove(sequenceId: number): void {
    this.#sequences.delete(sequenceId)
  }

  /** Processes the rows of a step, before it is sampled. `grammars`: those that have prepared its masks. */
  run(batch: InputBatch, logits: Float32Array, grammars: Grammars | undefined): void {
    this.#failures = []
    if (this.#sequences.size === 0) return
    const { sequenceIds, sampleIndex } = batch
    for (const [index, id] of sequenceIds.entries()) {
      const logitsRow = sampleIndex[index] as number
      const sequence = logitsRow < 0 ? undefined : this.#sequences.get(id)
      if (sequence === undefined) continue
      const start = logitsRow * this.#vocabSize
      // A processor may have given the memory of the row before away.
      if (this.#row.length !== this.#vocabSize) this.#row = new Float32Array(this.#vocabSize)
      this.#row.set(logits.subarray(start, start + this.#vocabSize))
      // NaN is the model's failure here, and not theirs.
      if (this.#sampler.prepareRow(id, logitsRow, this.#row, grammars)) this.#process(id, sequence)
    }
  }

  /** What the sequences keep of the tokens of a step. */
  took({ sequences, numTokens, tokenIds }: StepOutput): void {
    if (this.#sequences.size === 0) return
    let start = 0
    for (const [index, id] of sequences.entries()) {
      const end = start + (numTokens[index] as number)
      this.#sequences.get(id)?.append(tokenIds.subarray(start, end))
      start = end
    }
  }

  /** Sequences whose row of the last step has the token -1 because of their processors. */
  takeFailures(): readonly ProcessorFailure[] {
    if (this.#sequences.size === 0) return []
    const failures = this.#failures
    this.#failures = []
    const known = new Set(failures.map(({ sequenceId }) => sequenceId))
    for (const { sequenceId, error } of this.#sampler.takeFailures()) {
      // A row that was not handed over fails there too, and nobody need hear of it twice.
      if (known.has(sequenceId)) continue
      const names = this.#sequences.get(sequenceId)?.processors.map(({ name }) => name) ?? []
      const message = `${names.length === 1 ? 'The logits processor' : 'One of the logits processors'} ${quoted(names)} is wrong: ${error.message}`
      const details = { ...error.details, processors: names }
      failures.push({ sequenceId, error: new LogitsProcessorError(message, { details }) })
    }
    return failures
  }

  #process(sequenceId: number, sequence: ProcessedSequence): void {
    let row: Float32Array
    try {
      row = processed(this.#row, sequence)
    } catch (error) {
      this.#failures.push({ sequenceId, error: failureOf(error, sequence) })
      return
    }
    if (sequence.forcedId !== undefined) force(row, sequence.forcedId)
    // A row of theirs may lie in memory of any kind.
    this.#sampler.putRow(sequenceId, row === this.#row ? row : new Float32Array(row))
  }
}

/** The row that the processors make of `row`. @throws LogitsProcessorError. */
function processed(row: Float32Array, { processors, context }: ProcessedSequence): Float32Array {
  const vocabSize = row.length
  let current = row
  for (const { name, process } of processors) {
    const failure = (what: string, cause?: unknown) =>
      new LogitsProcessorError(`The logits processor \`${name}\` ${what}`, {
        details: { processors: [name] },
        ...(cause instanceof Error && { cause }),
      })
    let result: unknown
    try {
      result = process(current, context)
    } catch (cause) {
      throw failure(`threw: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    if (result !== undefined) {
      if (!(result instanceof Float32Array))
        throw failure(`must give nothing or a Float32Array; it gave ${kindOf(result)}.`)
      current = result
    }
    if (current.length !== vocabSize) {
      throw failure(`gave a row of ${current.length} logits; the vocabulary has ${vocabSize}.`)
    }
  }
  return current
}

/** Leaves nothing but `id`, unless it is forbidden. */
function force(row: Float32Array, id: number): void {
  const logit = row[id] as number
  if (logit === Number.NEGATIVE_INFINITY) return
  row.fill(Number.NEGATIVE_INFINITY)
  row[id] = logit
}

/** Whatever a processor throws, or gives, that cannot even be looked at. */
function failureOf(error: unknown, { processors }: ProcessedSequence): LogitsProcessorError {
  if (error instanceof LogitsProcessorError) return error
  const names = processors.map(({ name }) => name)
  const message = `A logits processor failed with what cannot be told; the request has ${quoted(names)}.`
  return new LogitsProcessorError(message, { details: { processors: names } })
}

function quoted(names: readonly string[]): string {
  return names.map(name => `\`${name}\``).join(', ')
}

function kindOf(value: unknown): string {
  if (isStrayPromise(value)) return 'a promise'
  return Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value
}
