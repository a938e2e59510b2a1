// From what the engine says of a prompt to the choices of a reply: the echo, the logprobs, the ids.

import type { CompletionOutput, RequestOutput, TokenLogprob } from '../../engine/index.js'
import type { CompletionChoice } from '../protocol/completion-response.js'
import { completionLogprobs } from '../protocol/logprobs.js'
import type { ServerContext } from '../server-context.js'
import type { PreparedPrompt } from './completion-prompts.js'
import type { CompletionRequest } from './completion-request.js'

export class ChoiceMaker {
  readonly #request: CompletionRequest
  readonly #context: ServerContext

  constructor(request: CompletionRequest, context: ServerContext) {
    this.#request = request
    this.#context = context
  }

  /**
   * The choice `index` of `prompt`. `first`: nothing of it has been told yet, so that the echo comes now. `offset`:
   * characters of it that have been told.
   */
  make(
    index: number,
    prompt: PreparedPrompt,
    { promptLogprobs, promptTokenIds }: RequestOutput,
    output: CompletionOutput,
    { first, offset }: { readonly first: boolean; readonly offset: number },
  ): CompletionChoice {
    const { echo, maxTokens, returnTokenIds } = this.#request
    const echoes = echo && first
    const onlyEcho = maxTokens === 0
    const said = onlyEcho ? '' : output.text
    return {
      index,
      text: echoes ? this.#textOf(prompt) + said : said,
      logprobs: this.#logprobs(
        echoes ? this.#promptPositions(promptTokenIds, promptLogprobs) : [],
        onlyEcho ? [] : (output.logprobs ?? []),
        offset,
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
  ): readonly (TokenLogprob | { tokenId: number; decodedToken: string })[] {
    if (logprobs === null) return []
    return logprobs.map((logprob, index) => {
      if (logprob !== null) return logprob
      const tokenId = tokenIds[index] as number
      return { tokenId, decodedToken: this.#context.engine.decode([tokenId], false) }
    })
  }

  #logprobs(
    ofPrompt: Parameters<typeof completionLogprobs>[0],
    ofOutput: readonly TokenLogprob[],
    offset: number,
  ): CompletionChoice['logprobs'] {
    const { logprobs, tokensAsIds, sampling } = this.#request
    if (logprobs === undefined) return null
    return completionLogprobs([...ofPrompt, ...ofOutput], offset, {
      top: sampling.logprobTokenIds === undefined ? logprobs : -1,
      asTokenIds: tokensAsIds ?? this.#context.config.endpoints.returnTokensAsTokenIds,
    })
  }
}
