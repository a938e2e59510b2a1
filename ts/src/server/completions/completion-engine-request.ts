// What the engine gets of one prompt of a completion.

import type { EngineRequest } from '../../engine/index.js'
import { drawnChoices } from '../generation/choice-count.js'
import { engineId } from '../generation/submission.js'
import type { ServerContext } from '../server-context.js'
import type { PreparedPrompt } from './completion-prompts.js'
import type { CompletionRequest } from './completion-request.js'

/** @throws InvalidArgumentError for parameters that contradict each other. */
export function completionEngineRequest(
  request: CompletionRequest,
  prompt: PreparedPrompt,
  id: string,
  { engine }: ServerContext,
): EngineRequest {
  const params = engine.defaultSamplingParams.with({
    ...request.sampling,
    ...drawnChoices(request),
    maxTokens: prompt.maxTokens,
    outputKind: request.stream ? 'delta' : 'final',
  })
  return {
    requestId: engineId(id),
    promptTokenIds: prompt.tokenIds,
    params,
    priority: request.priority,
    ...(prompt.text !== undefined && { prompt: prompt.text }),
    ...(prompt.reasoningBudget !== undefined && { reasoningBudget: prompt.reasoningBudget }),
    ...(request.cacheSalt !== undefined && { cacheSalt: request.cacheSalt }),
  }
}
