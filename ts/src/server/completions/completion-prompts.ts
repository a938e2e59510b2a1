// The prompts of a request for completions, as ids: text in one call of the tokenizer, each cut and measured.

import type { ReasoningBudget } from '../../engine/index.js'
import { reasoningFormat, templateOf } from '../chat/parser-choice.js'
import { outputTokens, truncated } from '../generation/prompt-tokens.js'
import { keptText, refuseHopelessTexts } from '../generation/text-length.js'
import { refuseThinkingBudget, thinkingBudget } from '../generation/thinking-budget.js'
import { RequestError } from '../request-error.js'
import type { ServerContext } from '../server-context.js'
import type { CompletionPrompt, CompletionRequest } from './completion-request.js'

export interface PreparedPrompt {
  readonly tokenIds: ArrayLike<number>
  /** Its text, where it was given as text and is whole. */
  readonly text: string | undefined
  /** Tokens that its outputs may have, 1 at least. */
  readonly maxTokens: number
  readonly reasoningBudget?: ReasoningBudget
}

/** Dropped when `signal` is aborted. @throws RequestError; TokenizerError, PromptError, RequestAbortedError. */
export async function preparePrompts(
  request: CompletionRequest,
  context: ServerContext,
  signal: AbortSignal,
): Promise<readonly PreparedPrompt[]> {
  const { prompts, truncation } = request
  const { maxModelLen } = context.engine
  const tokenIds = await toTokenIds(prompts, request, context, signal)
  const isWhole = (text: string) => truncation === undefined || keptText(text, truncation, context.engine) === text
  const prepared = tokenIds.map((ids, index): PreparedPrompt => {
    const prompt = prompts[index] as CompletionPrompt
    const asked = Math.max(1, request.maxTokens)
    const kept = truncation === undefined ? ids : truncated(ids, truncation, { maxModelLen, outputTokens: asked })
    return {
      tokenIds: kept,
      text: typeof prompt === 'string' && isWhole(prompt) && kept.length === ids.length ? prompt : undefined,
      maxTokens: outputTokens(
        kept.length,
        { asked, strict: request.maxTokensGiven, param: 'max_tokens', promptParam: 'prompt' },
        context,
      ),
    }
  })
  return request.thinkingTokenBudget === undefined
    ? prepared
    : withBudgets(prepared, request.thinkingTokenBudget, request.sampling.allowedTokenIds, context, signal)
}

/** As the chat template reasons, or by the parser that the operator named: prompts of completions are mostly rendered by it. */
async function withBudgets(
  prompts: readonly PreparedPrompt[],
  tokens: number,
  allowedTokenIds: readonly number[] | undefined,
  context: ServerContext,
  signal: AbortSignal,
): Promise<readonly PreparedPrompt[]> {
  const { engine, config } = context
  const format = reasoningFormat(templateOf(engine), config.endpoints) ?? refuseThinkingBudget(tokens)
  return Promise.all(
    prompts.map(async prompt => {
      const text = prompt.text ?? engine.decode(prompt.tokenIds, false)
      const options = { tokens, format, prompt: text, allowedTokenIds }
      return { ...prompt, reasoningBudget: await thinkingBudget(options, context, signal) }
    }),
  )
}

async function toTokenIds(
  prompts: readonly CompletionPrompt[],
  { addSpecialTokens, truncation }: CompletionRequest,
  context: ServerContext,
  signal: AbortSignal,
): Promise<readonly Int32Array[]> {
  const { engine, config } = context
  const { maxCompletionPrompts } = config.endpoints
  if (prompts.length > maxCompletionPrompts) {
    throw RequestError.badRequest(
      `prompt has ${prompts.length} prompts, more than the ${maxCompletionPrompts} that one request may have.`,
      'prompt',
    )
  }
  const texts = prompts.filter(prompt => typeof prompt === 'string')
  if (truncation === undefined) refuseHopelessTexts(texts, 'prompt', context)
  const kept = truncation === undefined ? texts : texts.map(text => keptText(text, truncation, engine))
  const encoded = kept.length === 0 ? [] : await engine.encode(kept, addSpecialTokens, signal)
  let next = 0
  return prompts.map(prompt => {
    if (typeof prompt !== 'string') return Int32Array.from(prompt)
    next += 1
    return encoded[next - 1] as Int32Array
  })
}
