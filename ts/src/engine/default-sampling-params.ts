// What applies where a caller gives no parameters: the model's own wishes, laid over the defaults.

import { SamplingParams } from '../config/index.js'
import { InvalidArgumentError, ModelError } from '../errors.js'
import type { ModelInfo } from '../plugin/model-runner.js'

/**
 * generation_config.json laid over the class defaults; the class defaults alone if it is not to be used.
 * @throws ModelError if the file wishes for what no request may ask.
 */
export function defaultSamplingParams(
  use: 'auto' | 'none',
  { generationDefaults }: ModelInfo,
  maxModelLen: number,
): SamplingParams {
  if (use === 'none') return new SamplingParams()
  const { maxNewTokens, ...others } = generationDefaults
  try {
    return new SamplingParams({
      ...others,
      ...(maxNewTokens !== undefined && { maxTokens: Math.min(maxNewTokens, maxModelLen) }),
    })
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause
    const message = `The model's generation_config.json cannot be used; generationConfig: 'none' leaves it out. ${cause.message}`
    throw new ModelError('ERR_MODEL_INVALID', message, { details: cause.details, cause })
  }
}
