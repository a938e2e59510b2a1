// What fields of chats are called in requests for responses: the pipeline behind both names them as chats do.

import { RequestError, respell } from '../request-error.js'

const FIELD_NAMES: Readonly<Record<string, string>> = {
  messages: 'input',
  prompt: 'input',
  max_tokens: 'max_output_tokens',
  max_completion_tokens: 'max_output_tokens',
  logprobs: 'top_logprobs',
}

/** The error of the pipeline, with the field as the request has it. `format`: the constraint is that of `text.format`. */
export function respelled(error: RequestError, { format }: { readonly format: boolean }): RequestError {
  const { param } = error
  if (param === null) return error
  const name = format && param === 'structured_outputs' ? 'text.format' : FIELD_NAMES[param]
  if (name === undefined) return error
  const { status, message, code, headers, cause } = error
  return new RequestError(status, respell(message, param, name), { code, headers, cause, param: name })
}
