// From steps to outputs, on the API's side: text in one native call a step, stop strings, logprobs, moments. It tells the
// core what a stop string ended; it schedules nothing.

import type { Detokenizers, SampledStep, StepOutput, Text } from '../binding/index.js'
import { isWorkerError, RunnerError, WorkerError } from '../errors.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { Continuation } from './continuation.js'
import { type DecodeToken, logprobOf } from './logprob-assembly.js'
import type { FinishReason, TokenLogprob } from './request-output.js'
import type { RequestState } from './request-state.js'

/** Ids before a token that its text may need. */
const CONTEXT_IDS = 4

const finishReasonOf: readonly (FinishReason | null)[] = [null, 'stop', 'length', 'abort', 'error', 'repetition']

/** Where a sequence belongs. */
interface Place {
  readonly state: RequestState
  readonly continuation: Continuation
}

export interface OutputProcessorOptions {
  readonly text: Text | undefined
  readonly detokenizers: Detokenizers | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Ends a sequence in the core. */
  readonly abort: (sequenceId: number) => void
  /** Called when a request has ended in whatever way. */
  readonly ended: (state: RequestState) => void
}

export class OutputProcessor {
  readonly #options: OutputProcessorOptions
  readonly #places = new Map<number, Place>()
  /** Requests by their first sequence that no step had yet. */
  readonly #unscheduled = new Set<number>()

  constructor(options: OutputProcessorOptions) {
    this.#options = options
  }

  /** Follows the sequences `first`, `first + 1`, ... of a request. @throws TokenizerError. */
  add(state: RequestState, first: number): void {
    const { params, promptTokenIds } = state.request
    for (const continuation of state.continuations) {
      const id = first + continuation.index
      this.#places.set(id, { state, continuation })
      this.#unscheduled.add(id)
      if (params.detokenize) {
        this.#options.detokenizers?.add(id, promptTokenIds, {
          stop: [...params.stop],
          includeStopStrInOutput: params.includeStopStrInOutput,
          skipSpecialTokens: params.skipSpecialTokens,
          spacesBetweenSpecialTokens: params.spacesBetweenSpecialTokens,
          minTokens: params.minTokens,
        })
      }
    }
  }

  /** Ends what a request still runs. Its outputs stay as they are. */
  drop(state: RequestState): void {
    for (const [id, place] of this.#places) {
      if (place.state !== state) continue
      this.#options.abort(id)
      this.#forget(id)
    }
  }

  /** True while a sequence of this request is in the core. */
  follows(state: RequestState): boolean {
    return [...this.#places.values()].some(place => place.state === state)
  }

  scheduled(sequenceIds: Int32Array): void {
    if (this.#unscheduled.size === 0) return
    const nowMs = this.#options.now()
    for (const id of sequenceIds) {
      if (this.#unscheduled.delete(id)) this.#places.get(id)?.state.scheduled(nowMs)
    }
  }

  stepped(batch: InputBatch, output: StepOutput, sampled: SampledStep | undefined): void {
    if (sampled?.promptLogprobs !== undefined) this.#takePromptLogprobs(batch, sampled.promptLogprobs)
    const { sequences, numTokens, tokenIds, numCachedTokens } = output
    const nowMs = this.#options.now()
    const news = this.#options.detokenizers?.push(sequences, numTokens, tokenIds, this.#textFinishes(output))
    const groupOf = sampled?.logprobs === undefined ? undefined : firstGroups(batch, sampled)
    const changed = new Set<RequestState>()
    let start = 0
    for (const [index, id] of sequences.entries()) {
      const ids = tokenIds.subarray(start, start + (numTokens[index] as number))
      start += ids.length
      const place = this.#places.get(id)
      if (place === undefined) continue
      const { state, continuation } = place
      const logprobs = sampled?.logprobs === undefined ? [] : this.#logprobs(sampled, groupOf?.get(id), ids, place)
      continuation.append(ids, state.request.params.detokenize ? (news?.texts[index] ?? '') : '', logprobs)
      state.numCachedTokens = Math.max(state.numCachedTokens, numCachedTokens[index] as number)
      if (ids.length > 0) state.gotTokens(nowMs)
      this.#finish(id, place, output, index, news?.stops[index] ?? -1)
      changed.add(state)
    }
    for (const state of changed) this.#tell(state)
  }

  failed(sequenceIds: Iterable<number>, cause: unknown): void {
    const states = new Set<RequestState>()
    for (const id of sequenceIds) {
      const state = this.#places.get(id)?.state
      if (state !== undefined) states.add(state)
      this.#forget(id)
    }
    const reason = cause instanceof Error ? cause.message : String(cause)
    const Failure = isWorkerError(cause) ? WorkerError : RunnerError
    for (const state of states)
      this.#fail(state, new Failure(`The model runner failed in a step: ${reason}`, { cause }))
  }

  #finish(id: number, place: Place, { finishReasons, stopTokenIds }: StepOutput, index: number, stop: number): void {
    const { state, continuation } = place
    const stopId = stopTokenIds[index] as number
    const reason = finishReasonOf[finishReasons[index] as number] ?? null
    if (stop >= 0) {
      continuation.finish('stop', state.request.params.stop[stop] as string)
      if (reason === null) this.#options.abort(id)
      this.#forget(id)
    } else if (reason === 'error') {
      this.#forget(id)
      this.#fail(state, new RunnerError('The model gave logits that are not numbers (NaN); this request cannot go on.'))
    } else if (reason !== null) {
      continuation.finish(reason, reason === 'repetition' ? 'repetition_detected' : stopId === -1 ? null : stopId)
      this.#forget(id)
    }
  }

  #tell(state: RequestState): void {
    if (state.finished) this.#options.ended(state)
    state.notify()
  }

  #fail(state: RequestState, error: Error): void {
    this.drop(state)
    state.fail(error)
    this.#options.ended(state)
  }

  #forget(id: number): void {
    this.#places.delete(id)
    this.#unscheduled.delete(id)
    this.#options.detokenizers?.remove(id)
  }

  /** 0 goes on, 1 ended by a stop token (whose text is left out), 2 ended otherwise. */
  #textFinishes({ finishReasons }: StepOutput): Int32Array {
    return finishReasons.map(reason => Math.min(reason, 2))
  }

  #logprobs(sampled: SampledStep, first: number | undefined, ids: Int32Array, { continuation }: Place): TokenLogprob[] {
    const { logprobs } = sampled
    if (logprobs === undefined || first === undefined) return []
    const earlier = continuation.tokenIds.slice(-CONTEXT_IDS)
    const found: TokenLogprob[] = []
    for (const [offset, id] of ids.entries()) {
      const logprob = logprobOf(logprobs, first + offset, earlier, this.#decode)
      if (logprob !== undefined) found.push(logprob)
      earlier.push(id)
    }
    return found
  }

  #takePromptLogprobs(batch: InputBatch, prompt: NonNullable<SampledStep['promptLogprobs']>): void {
    const { sequenceIds } = batch
    for (const [group, row] of prompt.rows.entries()) {
      const place = this.#places.get(sequenceIds[row] as number)
      if (place === undefined || place.continuation.index !== 0) continue
      const position = prompt.positions[group] as number
      const ids = place.state.request.promptTokenIds
      const earlier = Array.from(ids.subarray(Math.max(0, position - CONTEXT_IDS), position))
      const logprob = logprobOf(prompt.groups, group, earlier, this.#decode)
      if (logprob !== undefined) place.state.gotPromptLogprob(position, logprob)
    }
  }

  readonly #decode: DecodeToken = (earlierIds, tokenId) =>
    this.#options.text?.decodedToken(earlierIds.slice(-CONTEXT_IDS), tokenId) ?? ''
}

/** The first logprob group of each sequence: groups lie as the tokens do. */
function firstGroups({ sequenceIds }: InputBatch, { counts }: SampledStep): Map<number, number> {
  const first = new Map<number, number>()
  let group = 0
  for (const [row, id] of sequenceIds.entries()) {
    first.set(id, group)
    group += counts[row] as number
  }
  return first
}
