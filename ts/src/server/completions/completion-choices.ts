// From what the engine says of a prompt to the choices of a reply: the echo, the logprobs, the ids.

import type { CompletionOutput, RequestOutput, TokenLogprob } from '../../engine/index.js'
import type { CompletionChoice } from '../protocol/completion-response.js'
import { type BarePosition, completionLogprobs } from '../protocol/logprobs.js'
import type { ServerContext } from '../server-context.js'
import type { PreparedPrompt } from './completion-prompts.js'
import type { CompletionRequest } from './completion-request.js'
import { numCharacters, offsetsFrom, offsetsIn } from './text-offsets.js'

/** What has been told of a choice: its echo, and characters of its tokens. */
export interface ChoiceProgress {
  begun: boolean
  numCharacters: number
}

export class ChoiceMaker {
  readonly #request: CompletionRequest
  readonly #context: ServerContext

  constructor(request: CompletionRequest, context: ServerContext) {
    this.#request = request
    this.#context = context
  }

  /** News of the choice `index` of `prompt`; `progress` is what has been told of it before. */
  make(
    index: number,
    prompt: PreparedPrompt,
    { promptLogprobs, promptTokenIds }: RequestOutput,
    output: CompletionOutput,
    progress: ChoiceProgress = { begun: false, numCharacters: 0 },
  ): CompletionChoice {
    const { echo, maxTokens, returnTokenIds } = this.#request
    const onlyEcho = maxTokens === 0
    const first = !progress.begun
    const echoed = echo && first ? this.#textOf(prompt) : ''
    const said = onlyEcho ? '' : output.text
    progress.begun = true
    return {
      index,
      text: echoed + said,
      logprobs: this.#logprobs(
        echo && first ? this.#promptPositions(promptTokenIds, promptLogprobs) : [],
        echoed,
        onlyEcho ? [] : (output.logprobs ?? []),
        progress,
      ),
      finishReason: onlyEcho ? 'length' : output.finishReason,
      stopReason: onlyEcho ? null : output.stopReason,
      tokenIds: returnTokenIds ? (onlyEcho ? [] : output.tokenIds) : null,
      promptTokenIds: returnTokenIds && first ? promptTokenIds : null,
    }
  }

  /** As it was given, or as its ids read. */
  #textOf({ text, tokenIds }: PreparedPrompt): string {
    return text ?? this.#context.engine.decode(tokenIds, false)
  }

  #promptPositions(
    tokenIds: readonly number[],
    logprobs: RequestOutput['promptLogprobs'],
  ): readonly (TokenLogprob | BarePosition)[] {
    if (logprobs === null) return []
    return logprobs.map((logprob, index) => {
      if (logprob !== null) return logprob
      const tokenId = tokenIds[index] as number
      return { tokenId, decodedToken: this.#context.engine.decode([tokenId], false) }
    })
  }

  #logprobs(
    ofPrompt: readonly (TokenLogprob | BarePosition)[],
    echoed: string,
    ofOutput: readonly TokenLogprob[],
    progress: ChoiceProgress,
  ): CompletionChoice['logprobs'] {
    const { logprobs, tokensAsIds, sampling } = this.#request
    if (logprobs === undefined) return null
    const inPrompt = offsetsIn(echoed, ofPrompt.map(textOfToken))
    const { offsets, end } = offsetsFrom(progress.numCharacters + numCharacters(echoed), ofOutput.map(textOfToken))
    progress.numCharacters = end
    return completionLogprobs([...ofPrompt, ...ofOutput], [...inPrompt, ...offsets], {
      top: sampling.logprobTokenIds === undefined ? logprobs : -1,
      asTokenIds: tokensAsIds ?? this.#context.config.endpoints.returnTokensAsTokenIds,
    })
  }
}

function textOfToken({ decodedToken }: BarePosition): string {
  return decodedToken
}
