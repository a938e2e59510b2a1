// What applies where a caller gives no parameters: the model's own wishes, laid over the defaults.

import { SamplingParams } from '../config/index.js'
import type { ModelInfo } from '../plugin/model-runner.js'

/** generation_config.json laid over the class defaults; the class defaults alone if it is not to be used. */
export function defaultSamplingParams(
  use: 'auto' | 'none',
  { generationDefaults }: ModelInfo,
  maxModelLen: number,
): SamplingParams {
  if (use === 'none') return new SamplingParams()
  const { maxNewTokens, ...others } = generationDefaults
  return new SamplingParams({
    ...others,
    ...(maxNewTokens !== undefined && { maxTokens: Math.min(maxNewTokens, maxModelLen) }),
  })
}
