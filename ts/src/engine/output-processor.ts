// From steps to outputs, on the API's side: text in one native call a step, stop strings, logprobs, moments. It tells the
// core what a stop string ended; it schedules nothing.

import type { Detokenizers, StepOutput, Text } from '../binding/index.js'
import { GrammarError, isWorkerError, LogitsProcessorError, RunnerError, WorkerError } from '../errors.js'
import type { Continuation } from './continuation.js'
import { type DecodeToken, logprobOf } from './logprob-assembly.js'
import type { FinishReason, TokenLogprob } from './request-output.js'
import type { RequestState } from './request-state.js'
import type { PromptLogprobs, StepNews, TokenLogprobs } from './step-news.js'

/** Ids before a token that its text may need. */
const CONTEXT_IDS = 4

const finishReasonOf: readonly (FinishReason | null)[] = [
  null,
  'stop',
  'length',
  'abort',
  'error',
  'repetition',
  'stop',
]

/** Where a sequence belongs. */
interface Place {
  readonly state: RequestState
  readonly continuation: Continuation
}

export interface OutputProcessorOptions {
  readonly text: Text | undefined
  readonly detokenizers: Detokenizers | undefined
  /** Ends sequences in the core. */
  readonly abort: (sequenceIds: readonly number[]) => void
  /** Called when a request has ended in whatever way. */
  readonly ended: (state: RequestState) => void
}

export class OutputProcessor {
  readonly #options: OutputProcessorOptions
  readonly #places = new Map<number, Place>()
  /** Requests with news that their consumers do not know of. */
  #untold: RequestState[] = []

  constructor(options: OutputProcessorOptions) {
    this.#options = options
  }

  /** Follows the sequences `first`, `first + 1`, ... of a request. @throws TokenizerError. */
  add(state: RequestState, first: number): void {
    const { params, promptTokenIds } = state.request
    state.firstSequence = first
    for (const continuation of state.continuations) {
      const id = first + continuation.index
      this.#places.set(id, { state, continuation })
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
    const ids = this.#idsOf(state)
    for (const id of ids) this.#forget(id)
    if (ids.length > 0) this.#options.abort(ids)
  }

  /** True while a sequence of this request is in the core. */
  follows(state: RequestState): boolean {
    return this.#idsOf(state).length > 0
  }

  /** These sequences are in their first step. */
  scheduled(sequenceIds: ArrayLike<number>, atMs: number): void {
    for (let index = 0; index < sequenceIds.length; index += 1) {
      this.#places.get(sequenceIds[index] as number)?.state.scheduled(atMs)
    }
  }

  /**
   * What a step brought. A request's first tokens are told at once, all others at the next `tell`: of several steps that were
   * heard in one go a consumer gets one output.
   */
  stepped({ output, atMs, logprobs: tokenLogprobs, promptLogprobs }: StepNews): void {
    if (promptLogprobs !== undefined) this.#takePromptLogprobs(promptLogprobs)
    const { sequences, numTokens, tokenIds, numCachedTokens } = output
    const news = this.#options.detokenizers?.push(sequences, numTokens, tokenIds, this.#textFinishes(output))
    const groupOf = tokenLogprobs === undefined ? undefined : firstGroups(tokenLogprobs)
    const begun: RequestState[] = []
    let start = 0
    for (const [index, id] of sequences.entries()) {
      const begin = start
      start += numTokens[index] as number
      const place = this.#places.get(id)
      if (place === undefined) continue
      const { state, continuation } = place
      const ids = tokenIds.subarray(begin, Math.min(start, begin + (news?.counts[index] ?? start - begin)))
      const logprobs = tokenLogprobs === undefined ? [] : this.#logprobs(tokenLogprobs, groupOf?.get(id), ids, place)
      continuation.append(ids, state.request.params.detokenize ? (news?.texts[index] ?? '') : '', logprobs)
      state.numCachedTokens = Math.max(state.numCachedTokens, numCachedTokens[index] as number)
      if (ids.length > 0 && !state.hasTokens) begun.push(state)
      if (ids.length > 0) state.gotTokens(atMs)
      this.#finish(id, place, output, index, news?.stops[index] ?? -1)
      if (!state.isUntold) this.#untold.push(state)
      state.isUntold = true
    }
    for (const state of begun) this.#tell(state)
  }

  /** Tells every consumer with news. */
  tell(): void {
    const untold = this.#untold
    this.#untold = []
    for (const state of untold) if (state.isUntold) this.#tell(state)
  }

  failed(sequenceIds: Iterable<number>, cause: unknown): void {
    const states = new Set<RequestState>()
    for (const id of sequenceIds) {
      const state = this.#places.get(id)?.state
      if (state !== undefined) states.add(state)
      this.#forget(id)
    }
    if (cause instanceof GrammarError || cause instanceof LogitsProcessorError) {
      for (const state of states) this.#fail(state, cause)
      return
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
      if (reason === null) this.#options.abort([id])
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
    state.isUntold = false
    if (state.finished) this.#options.ended(state)
    state.notify()
  }

  #fail(state: RequestState, error: Error): void {
    this.drop(state)
    state.fail(error)
    this.#options.ended(state)
  }

  #idsOf(state: RequestState): number[] {
    const { firstSequence, continuations } = state
    if (firstSequence === undefined) return []
    const ids = continuations.map(({ index }) => firstSequence + index)
    return ids.filter(id => this.#places.get(id)?.state === state)
  }

  #forget(id: number): void {
    this.#places.delete(id)
    this.#options.detokenizers?.remove(id)
  }

  /** 0 goes on, 1 ended by a stop token (whose text is left out), 2 ended otherwise. */
  #textFinishes({ finishReasons }: StepOutput): Int32Array {
    return finishReasons.map(reason => Math.min(reason, 2))
  }

  #logprobs({ groups }: TokenLogprobs, first: number | undefined, ids: Int32Array, place: Place): TokenLogprob[] {
    const { continuation } = place
    if (first === undefined) return []
    const earlier = continuation.tokenIds.slice(-CONTEXT_IDS)
    const found: TokenLogprob[] = []
    for (const [offset, id] of ids.entries()) {
      const logprob = logprobOf(groups, first + offset, earlier, this.#decode)
      if (logprob !== undefined) found.push(logprob)
      earlier.push(id)
    }
    return found
  }

  #takePromptLogprobs(prompt: PromptLogprobs): void {
    for (const [group, id] of prompt.sequences.entries()) {
      const place = this.#places.get(id)
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
function firstGroups({ sequences, counts }: TokenLogprobs): Map<number, number> {
  const first = new Map<number, number>()
  let group = 0
  for (const [row, id] of sequences.entries()) {
    first.set(id, group)
    group += counts[row] as number
  }
  return first
}
