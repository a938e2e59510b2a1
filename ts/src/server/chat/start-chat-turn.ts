// Begins a turn: renders its prompt, plans how its answer is read, and gives it to the engine.

import { check } from '../../config/check.js'
import type { SamplingParams } from '../../config/index.js'
import type { ReasoningBudget } from '../../engine/index.js'
import { beamOptions, runBeams } from '../generation/beam-run.js'
import { drawnChoices, numChoices } from '../generation/choice-count.js'
import { outputTokens, wishedTokens } from '../generation/prompt-tokens.js'
import { engineId, submitAll } from '../generation/submission.js'
import { refuseThinkingBudget, thinkingBudget } from '../generation/thinking-budget.js'
import { RequestError } from '../request-error.js'
import type { RouteRequest } from '../route.js'
import type { GenerationContext } from '../server-context.js'
import { type AnswerPlan, planAnswer } from './answer-plan.js'
import type { ChatPrompt, ChatResult, ChatTurn } from './chat-event.js'
import { renderPrompt, templateSource } from './chat-prompt.js'
import type { ChatRequest } from './chat-request.js'
import { ChoiceReader } from './choice-reader.js'
import { reasoningFormat } from './parser-choice.js'
import { StreamedTurn, type TurnParts, wholeResult } from './streamed-turn.js'

/**
 * The turn, once the scheduler has it: what can be refused is refused before the first byte of a reply. The turn ends with
 * `route.signal`.
 * @throws RequestError; ChatTemplateError, TokenizerError, PromptError, InvalidArgumentError.
 */
export async function startChatTurn(
  request: ChatRequest,
  route: RouteRequest,
  context: GenerationContext,
): Promise<ChatTurn> {
  if (request.beamSearch !== undefined) {
    throw RequestError.badRequest('Beam search has no stream: it is run whole.', 'use_beam_search')
  }
  const { prompt, params, reasoningBudget, parts } = await prepareChatTurn(request, route, context)
  const fields = { ...engineFields(request, prompt), params, ...(reasoningBudget !== undefined && { reasoningBudget }) }
  const [stream] = await submitAll([fields], route, context)
  return new StreamedTurn(stream as NonNullable<typeof stream>, parts)
}

/** A turn from its beginning to its end, by beam search where that is asked for. @throws as `startChatTurn`. */
export async function runChatTurn(
  request: ChatRequest,
  route: RouteRequest,
  context: GenerationContext,
): Promise<{ readonly prompt: ChatPrompt; readonly result: ChatResult }> {
  if (request.beamSearch === undefined) {
    const turn = await startChatTurn(request, route, context)
    return { prompt: turn.prompt, result: await turn.final() }
  }
  const { prompt, params, parts } = await prepareChatTurn(request, route, context)
  const output = await runBeams(
    {
      ...engineFields(request, prompt),
      options: beamOptions(params, parts.numChoices, request.beamSearch.lengthPenalty),
    },
    route,
    context,
  )
  return { prompt, result: await wholeResult(output, parts) }
}

/** A turn that has not begun. */
export interface PreparedTurn {
  readonly prompt: ChatPrompt
  readonly params: SamplingParams
  readonly reasoningBudget: ReasoningBudget | undefined
  readonly parts: TurnParts
}

/** The prompt and the parameters of a turn, checked. @throws as `startChatTurn`. */
export async function prepareChatTurn(
  request: ChatRequest,
  { endpoint, signal }: RouteRequest,
  context: GenerationContext,
): Promise<PreparedTurn> {
  const { engine } = context
  const { sampling = {}, includeReasoning = true } = request
  const count = numChoices(request, context)
  const asked = sampling.maxTokens ?? undefined
  const prompt = await renderPrompt({ ...request, outputTokens: asked }, context, signal)
  const plan = planAnswer(request, prompt.text, context)
  const params = toParams(request, prompt, plan, context)
  const onParsed = (foundCall: boolean) => context.onToolParse?.({ endpoint, streaming: request.stream, foundCall })
  return {
    prompt,
    params,
    reasoningBudget: await toBudget(request, prompt, plan, context, signal),
    parts: {
      prompt,
      numChoices: count,
      newReader: () => new ChoiceReader(plan.createParser(), includeReasoning, plan.parsesCalls ? onParsed : undefined),
      countTokens: async texts =>
        (await engine.encode(texts, false, signal)).reduce((sum, { length }) => sum + length, 0),
    },
  }
}

/** Answers that a constraint holds do not reason, which keeps every budget. */
async function toBudget(
  request: ChatRequest,
  prompt: ChatPrompt,
  { reasoning, structuredOutputs }: AnswerPlan,
  context: GenerationContext,
  signal: AbortSignal,
): Promise<ReasoningBudget | undefined> {
  const { thinkingTokenBudget, mayNotReason = false, sampling } = request
  if (thinkingTokenBudget === undefined) return undefined
  const tokens = check.integer('thinkingTokenBudget', thinkingTokenBudget, 0, 2 ** 31 - 1)
  if (reasoning !== undefined) {
    const { allowedTokenIds } = sampling ?? {}
    return thinkingBudget({ tokens, format: reasoning, prompt: prompt.text, allowedTokenIds }, context, signal)
  }
  const reasons = structuredOutputs !== undefined && hasReasoning(request, context)
  if (!reasons && !mayNotReason) refuseThinkingBudget(tokens)
  return undefined
}

function hasReasoning(request: ChatRequest, context: GenerationContext): boolean {
  return reasoningFormat(templateSource(request, context), context.config.endpoints) !== undefined
}

function toParams(
  request: ChatRequest,
  prompt: ChatPrompt,
  plan: AnswerPlan,
  context: GenerationContext,
): SamplingParams {
  const { sampling = {}, stream } = request
  const asked = sampling.maxTokens ?? undefined
  const maxTokens = outputTokens(
    prompt.tokenIds.length,
    {
      asked: asked ?? wishedTokens(context),
      strict: asked !== undefined,
      param: 'max_completion_tokens',
      promptParam: 'messages',
    },
    context,
  )
  const { structuredOutputs: _, ...plain } = sampling
  return context.engine.defaultSamplingParams.with({
    ...plain,
    ...drawnChoices(request),
    ...(plan.structuredOutputs !== undefined && { structuredOutputs: plan.structuredOutputs }),
    ...(plan.keepsSpecialTokens && { skipSpecialTokens: false }),
    maxTokens,
    outputKind: stream ? 'delta' : 'final',
  })
}

function engineFields({ requestId, priority, cacheSalt }: ChatRequest, { text, tokenIds }: ChatPrompt) {
  return {
    requestId: engineId(requestId),
    prompt: text,
    promptTokenIds: tokenIds,
    ...(priority !== undefined && { priority }),
    ...(cacheSalt !== undefined && { cacheSalt }),
  }
}
