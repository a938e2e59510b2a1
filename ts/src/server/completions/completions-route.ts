// POST /v1/completions.

import { setMaxListeners } from 'node:events'
import { type EngineRequest, likeliestOutputs, type RequestOutput } from '../../engine/index.js'
import { beamOptions, runBeams } from '../generation/beam-run.js'
import { numChoices } from '../generation/choice-count.js'
import { EventPump } from '../generation/event-pump.js'
import { finalOutputs, replyId, submitAll } from '../generation/submission.js'
import { completionRequestSchema, parseCompletionRequest } from '../protocol/completion-request.js'
import {
  type CompletionChoice,
  completionBody,
  completionChunkSchema,
  completionResponseSchema,
  type ReplyHead,
} from '../protocol/completion-response.js'
import type { Reply, Route, RouteRequest } from '../route.js'
import type { ServerContext } from '../server-context.js'
import { ChoiceMaker } from './completion-choices.js'
import { CompletionChunks } from './completion-chunks.js'
import { completionEngineRequest } from './completion-engine-request.js'
import { type PreparedPrompt, preparePrompts } from './completion-prompts.js'
import type { CompletionRequest } from './completion-request.js'

export const completionsRoute: Route<ServerContext> = {
  method: 'POST',
  path: '/v1/completions',
  description: {
    summary: 'Continues prompts.',
    tag: 'OpenAI',
    request: completionRequestSchema,
    response: completionResponseSchema,
    event: completionChunkSchema,
    errors: [404, 429],
  },
  handle: complete,
}

async function complete(route: RouteRequest, context: ServerContext): Promise<Reply> {
  const request = parseCompletionRequest(route.body)
  context.checkModel(request.model)
  const n = numChoices(request, context)
  const prompts = await preparePrompts(request, context, route.signal)
  const id = replyId(route, request.id)
  const head: ReplyHead = {
    id: `cmpl-${id}`,
    created: Math.floor(context.clock.now() / 1000),
    model: context.modelNames[0],
    tellCached: context.config.endpoints.promptTokensDetails,
  }
  const requests = prompts.map(prompt => completionEngineRequest(request, prompt, id, context))
  // Each of them listens to the signal: more than ten are no leak.
  setMaxListeners(0, route.signal)
  const choices = new ChoiceMaker(request, context)
  if (request.beamSearch !== undefined) {
    const { lengthPenalty } = request.beamSearch
    const outputs = await Promise.all(requests.map(one => beams(one, n, lengthPenalty, route, context)))
    return { kind: 'json', body: wholeBody(head, request, prompts, outputs, choices) }
  }
  const streams = await submitAll(requests, route, context)
  if (!request.stream) {
    const outputs = await finalOutputs(streams)
    return { kind: 'json', body: wholeBody(head, request, prompts, outputs, choices) }
  }
  const chunks = new CompletionChunks({
    head,
    prompts,
    streams,
    choices,
    n,
    onlyEcho: request.maxTokens === 0,
    includeUsage: request.includeUsage || context.config.endpoints.forceIncludeUsage,
    continuousUsage: request.continuousUsage,
    tellsTokens: request.returnTokenIds || request.logprobs !== undefined,
  })
  return { kind: 'events', events: new EventPump(chunks, request.streamInterval) }
}

function beams(
  { params, ...common }: EngineRequest,
  beamWidth: number,
  lengthPenalty: number,
  route: RouteRequest,
  context: ServerContext,
): Promise<RequestOutput> {
  return runBeams({ ...common, options: beamOptions(params, beamWidth, lengthPenalty) }, route, context)
}

function wholeBody(
  head: ReplyHead,
  request: CompletionRequest,
  prompts: readonly PreparedPrompt[],
  outputs: readonly RequestOutput[],
  maker: ChoiceMaker,
) {
  const { n = 1, promptLogprobs } = request.sampling
  const onlyEcho = request.maxTokens === 0
  const tellsPromptLogprobs = promptLogprobs != null && promptLogprobs !== false
  const choices: CompletionChoice[] = []
  const counts = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 }
  for (const [promptIndex, output] of outputs.entries()) {
    const prompt = prompts[promptIndex] as PreparedPrompt
    counts.promptTokens += prompt.tokenIds.length
    counts.cachedTokens += output.numCachedTokens
    const kept = output.outputs.length > n ? likeliestOutputs(output.outputs, n) : output.outputs
    for (const one of output.outputs) counts.completionTokens += onlyEcho ? 0 : one.tokenIds.length
    for (const one of kept) {
      const choice = maker.make(choices.length, prompt, output, one)
      choices.push(tellsPromptLogprobs ? { ...choice, promptLogprobs: output.promptLogprobs } : choice)
    }
  }
  return completionBody(head, choices, counts)
}
