// How a field that is camelCase here is spelled on the wire.

/** Fields whose name is vLLM's, and not that of the parameter. */
const others: ReadonlyMap<string, string> = new Map([['extraArgs', 'vllm_xargs']])

/** `topP` is `top_p`. */
export function wireName(name: string): string {
  const other = others.get(name)
  if (other !== undefined) return other
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

/** Parameters that sentences of the engine name beside the one that they are about. */
const PARAMETERS = [
  'addGenerationPrompt',
  'allowedTokenIds',
  'badWords',
  'cacheSalt',
  'chatTemplate',
  'chatTemplateKwargs',
  'continueFinalMessage',
  'disableAdditionalProperties',
  'disableAnyWhitespace',
  'extraArgs',
  'frequencyPenalty',
  'ignoreEos',
  'includeStopStrInOutput',
  'jsonObject',
  'lengthPenalty',
  'logitBias',
  'logitsProcessors',
  'logprobTokenIds',
  'maxLogprobs',
  'maxModelLen',
  'maxPatternSize',
  'maxTokens',
  'minCount',
  'minP',
  'minPatternSize',
  'minTokens',
  'presencePenalty',
  'promptLogprobs',
  'promptTokenIds',
  'repetitionDetection',
  'repetitionPenalty',
  'skipSpecialTokens',
  'stopTokenIds',
  'structuralTag',
  'structuredOutputs',
  'thinkingTokenBudget',
  'topK',
  'topP',
  'truncatePromptTokens',
  'truncationSide',
  'whitespacePattern',
]
const NAMED = new RegExp(`\\b(?:${PARAMETERS.join('|')})\\b`, 'g')

/** A sentence of the engine with the parameters in it spelled as clients send them. */
export function wireSentence(sentence: string): string {
  return sentence.replace(NAMED, wireName)
}
