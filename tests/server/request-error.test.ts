// What clients are told of errors: status, type, code, param, and a message without a path of this machine.

import { homedir } from 'node:os'
import test from 'ava'
import {
  ChatTemplateError,
  EngineClosedError,
  InternalError,
  InvalidArgumentError,
  ModelError,
  OutOfMemoryError,
  PromptError,
  RequestAbortedError,
  RunnerError,
  TokenizerError,
  WorkerError,
} from '../../ts/src/errors.js'
import { RequestError, toRequestError } from '../../ts/src/server/request-error.js'

const rows: readonly (readonly [unknown, number, string, string | number, string | null, RegExp])[] = [
  [
    new InvalidArgumentError('topP', 'topP must be in (0, 1], got 2.', 2),
    400,
    'BadRequestError',
    400,
    'top_p',
    /^top_p must be in \(0, 1\], got 2\. \(parameter=top_p, value=2\)$/,
  ],
  [new InvalidArgumentError('n', 'n must be at least 1, got 0.', 0), 400, 'BadRequestError', 400, 'n', /^n must be at/],
  [new PromptError('ERR_PROMPT_EMPTY', 'The prompt is empty.'), 400, 'BadRequestError', 400, 'prompt', /empty/],
  [
    new PromptError('ERR_PROMPT_TOO_LONG', 'Too long.'),
    400,
    'BadRequestError',
    'context_length_exceeded',
    'prompt',
    /long/,
  ],
  [new ChatTemplateError('The template refuses.'), 400, 'BadRequestError', 400, null, /refuses/],
  [new TokenizerError('cannot be tokenized'), 400, 'BadRequestError', 400, null, /tokenized/],
  [new RunnerError(`it failed in ${homedir()}/models/x`), 500, 'InternalServerError', 500, null, /^The model failed/],
  [new WorkerError('exit 1'), 500, 'InternalServerError', 500, null, /sent again/],
  [new OutOfMemoryError('no room'), 500, 'InternalServerError', 500, null, /memory/],
  [new InternalError('broken'), 500, 'InternalServerError', 500, null, /^The server failed/],
  [new ModelError('ERR_MODEL_INVALID', '/models/a/b is broken'), 500, 'InternalServerError', 500, null, /^The server/],
  [new EngineClosedError(), 503, 'ServiceUnavailableError', 503, null, /shutting down/],
  [new RequestAbortedError(), 500, 'InternalServerError', 500, null, /aborted/],
  [new TypeError('x is not a function'), 500, 'InternalServerError', 500, null, /^The server failed/],
  ['thrown text', 500, 'InternalServerError', 500, null, /^The server failed/],
  [
    Object.assign(new Error('from another copy'), { code: 'ERR_CHAT_TEMPLATE', details: {} }),
    400,
    'BadRequestError',
    400,
    null,
    /another copy/,
  ],
  ...['INVALID', 'UNSUPPORTED', 'TOO_COMPLEX', 'STUCK'].map(
    kind =>
      [
        Object.assign(new Error('pattern (at /properties/a/items)'), { code: `ERR_GRAMMAR_${kind}`, details: {} }),
        400,
        'BadRequestError',
        400,
        null,
        /^pattern \(at \/properties\/a\/items\)$/,
      ] as const,
  ),
  [
    RequestError.modelNotFound('m'),
    404,
    'NotFoundError',
    'model_not_found',
    'model',
    /^The model `m` does not exist\.$/,
  ],
  [RequestError.overloaded('full', 3), 429, 'RateLimitError', 429, null, /full/],
]

for (const [error, status, type, code, param, message] of rows) {
  test(`${error instanceof Error && 'code' in error ? `${error.code}: ` : ''}${String(error)}`, t => {
    const told = toRequestError(error)
    t.is(told.status, status)
    t.like(told.body.error, { type, code, param })
    t.regex(told.message, message)
  })
}

test('an aborted request tells the reason of its signal, if that is for the client', t => {
  const reason = new RequestError(504, 'too late')
  t.is(toRequestError(new RequestAbortedError(undefined, { cause: reason })), reason)
})

const paths = [
  `${homedir()}/models/tokenizer.json`,
  ['', 'opt', 'quire', 'node_modules', 'x', 'index.js'].join('/'),
  'file:///srv/app/main.js:10:5',
  'C:\\Users\\me\\model\\chat_template.jinja',
]
for (const path of paths) {
  test(`no message has the path ${path.length > 12 ? path.slice(-12) : path}`, t => {
    const { message } = toRequestError(new ChatTemplateError(`cannot render (${path}): wrong\n    at render (${path})`))
    t.is(message, 'cannot render (<path>): wrong')
  })
}

test('what is no path of this machine stays', t => {
  const text = 'see /v1/models, https://example.org/a/b/c/d and 1/2/3/4'
  t.is(toRequestError(new ChatTemplateError(text)).message, text)
})
