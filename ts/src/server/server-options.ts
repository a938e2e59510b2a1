// What a server can be told: every option with its default, parsed once into the frozen configuration.

import { check } from '../config/check.js'
import { InvalidArgumentError } from '../errors.js'
import { checkParserNames } from './chat/parser-choice.js'
import type { Clock } from './clock.js'
import type { Logger } from './logger.js'
import type { ServerConfig } from './server-config.js'

/** Options of `createHandler`. Every field has a default. */
export interface ServerOptions {
  /** Names that requests may ask for; the first is what replies say. Default: `quire`. */
  readonly modelNames?: readonly string[]
  /** Accepted bearer tokens. Default: none, everyone is let in. */
  readonly apiKeys?: readonly string[]
  /** Ask for a key on every path, `/health`, `/metrics` and `/tokenize` included. Default false. */
  readonly guardAllPaths?: boolean
  /** Origins that pages may call from; `*` for all. Default none. */
  readonly allowedOrigins?: readonly string[]
  /** Default `*`. */
  readonly allowedMethods?: readonly string[]
  /** Default `*`. */
  readonly allowedHeaders?: readonly string[]
  /** Default false. */
  readonly allowCredentials?: boolean
  /** A path that a proxy puts before all others, such as `/llm`. Default none. */
  readonly rootPath?: string
  /** Default 32 MiB. */
  readonly maxBodyBytes?: number
  /** Bytes of all bodies that are being read or answered at once. Default 256 MiB. */
  readonly maxBodiesBytes?: number
  /** Default 128. */
  readonly maxJsonDepth?: number
  /** Milliseconds until a body must have come. Default 60,000. */
  readonly bodyTimeoutMs?: number
  /** Milliseconds until a request must be answered; 0: no limit. Default 0. */
  readonly requestTimeoutMs?: number
  /** Sequences that may wait beyond those that run at once; more are answered with 429. Default 1024. */
  readonly maxQueue?: number
  /** Sequences that run at once, from which `maxQueue` counts. Default: the engine's own limit. */
  readonly maxNumSeqs?: number
  /** Milliseconds that a stream may stand still because its reader does. Default 60,000. */
  readonly stallTimeoutMs?: number
  /** Bytes of events that may wait for a reader. Default 4 MiB. */
  readonly maxUnsentBytes?: number
  /** Give every reply an `X-Request-Id`. Default false. */
  readonly requestIdHeaders?: boolean
  /** Say in `usage` how many tokens of the prompt were cached. Default false. */
  readonly promptTokensDetails?: boolean
  /** End every stream with its `usage`, whether it was asked for or not. Default false. */
  readonly forceIncludeUsage?: boolean
  /** Write tokens of log-probabilities as `token_id:N`. Default false. */
  readonly returnTokensAsTokenIds?: boolean
  /** Whether chat templates get content as a string or as OpenAI's parts. Default 'auto': as the template reads it. */
  readonly chatTemplateContentFormat?: 'auto' | 'string' | 'openai'
  /** Take chat templates from requests. They run in a sandbox, in the thread that serves. Default false. */
  readonly trustRequestChatTemplate?: boolean
  /** Default `assistant`. */
  readonly responseRole?: string
  /** Warn if no parser would find calls. They are looked for anyway. Default false. */
  readonly autoToolChoice?: boolean
  /** Name of the parser of tool calls. Default: as the chat template shows. */
  readonly toolCallParser?: string
  /** Name of the parser of reasoning, or `none`. Default: as the chat template shows. */
  readonly reasoningParser?: string
  /** Cap on the tokens of any one completion. Default: the model's length. */
  readonly maxTokensCap?: number
  /** Default 1024. */
  readonly maxCompletionPrompts?: number
  /** Most choices of one request. Default 128. */
  readonly maxChoices?: number
  /** Responses that /v1/responses keeps, the oldest leaving first; 0: none. Default 10,000. */
  readonly maxStoredResponses?: number
  /** Bytes of all of them. Default 64 MiB. */
  readonly maxStoredResponsesBytes?: number
  /** Endpoints for development. Default false. */
  readonly dev?: boolean
  /** `/tokenizer_info`: the configuration of the tokenizer. Default false. */
  readonly tokenizerInfo?: boolean
  /** The chat page at `/`. Default true. */
  readonly ui?: boolean
  /** `/docs` and `/openapi.json`. Default true. */
  readonly docs?: boolean
  /** Log prompts and parameters. Default false. */
  readonly logRequests?: boolean
  /** Log outputs. Default false. */
  readonly logOutputs?: boolean
  /** Most characters of a prompt or an output in the log. Default: all. */
  readonly maxLogLength?: number
  /** Log a line for each reply. Default true. */
  readonly accessLog?: boolean
  /** Default: nothing is logged. */
  readonly logger?: Logger
  /** Where the server has the time from. Default: the system's. */
  readonly clock?: Clock
}

const optionNames: Readonly<Record<keyof ServerOptions, true>> = {
  modelNames: true,
  apiKeys: true,
  guardAllPaths: true,
  allowedOrigins: true,
  allowedMethods: true,
  allowedHeaders: true,
  allowCredentials: true,
  rootPath: true,
  maxBodyBytes: true,
  maxBodiesBytes: true,
  maxJsonDepth: true,
  bodyTimeoutMs: true,
  requestTimeoutMs: true,
  maxQueue: true,
  maxNumSeqs: true,
  stallTimeoutMs: true,
  maxUnsentBytes: true,
  requestIdHeaders: true,
  promptTokensDetails: true,
  forceIncludeUsage: true,
  returnTokensAsTokenIds: true,
  chatTemplateContentFormat: true,
  trustRequestChatTemplate: true,
  responseRole: true,
  autoToolChoice: true,
  toolCallParser: true,
  reasoningParser: true,
  maxTokensCap: true,
  maxCompletionPrompts: true,
  maxChoices: true,
  maxStoredResponses: true,
  maxStoredResponsesBytes: true,
  dev: true,
  tokenizerInfo: true,
  ui: true,
  docs: true,
  logRequests: true,
  logOutputs: true,
  maxLogLength: true,
  accessLog: true,
  logger: true,
  clock: true,
}

/** The longest time that a timer can wait. */
const MOST_MS = 2 ** 31 - 1
const MOST_COUNT = 2 ** 31 - 1

/** @throws InvalidArgumentError naming the option. */
export function parseServerOptions(options: ServerOptions): ServerConfig {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(optionNames, name)) {
      throw new InvalidArgumentError(name, `There is no server option \`${name}\``, value)
    }
  }
  const given = new Given(options)
  const config: ServerConfig = {
    endpoints: {
      promptTokensDetails: given.flag('promptTokensDetails', false),
      forceIncludeUsage: given.flag('forceIncludeUsage', false),
      returnTokensAsTokenIds: given.flag('returnTokensAsTokenIds', false),
      chatTemplateContentFormat: check.choice(
        'chatTemplateContentFormat',
        options.chatTemplateContentFormat ?? 'auto',
        ['auto', 'string', 'openai'],
      ),
      trustRequestChatTemplate: given.flag('trustRequestChatTemplate', false),
      responseRole: check.string('responseRole', options.responseRole ?? 'assistant'),
      autoToolChoice: given.flag('autoToolChoice', false),
      toolCallParser: check.optional(check.string, 'toolCallParser', options.toolCallParser),
      reasoningParser: check.optional(check.string, 'reasoningParser', options.reasoningParser),
      maxTokensCap: options.maxTokensCap === undefined ? undefined : given.count('maxTokensCap', 0, 1),
      maxCompletionPrompts: given.count('maxCompletionPrompts', 1024, 1),
      maxChoices: given.count('maxChoices', 128, 1),
      dev: given.flag('dev', false),
      tokenizerInfo: given.flag('tokenizerInfo', false),
      ui: given.flag('ui', true),
      docs: given.flag('docs', true),
    },
    gate: {
      apiKeys: given.words('apiKeys', []),
      guardAllPaths: given.flag('guardAllPaths', false),
      allowedOrigins: given.words('allowedOrigins', []),
      allowedMethods: given.words('allowedMethods', ['*']),
      allowedHeaders: given.words('allowedHeaders', ['*']),
      allowCredentials: given.flag('allowCredentials', false),
      rootPath: rootPathOf(options.rootPath),
      maxBodyBytes: given.count('maxBodyBytes', 32 << 20, 1),
      maxBodiesBytes: given.count('maxBodiesBytes', 256 << 20, 1),
      maxJsonDepth: given.count('maxJsonDepth', 128, 1),
      bodyTimeoutMs: given.ms('bodyTimeoutMs', 60_000),
      requestTimeoutMs: given.ms('requestTimeoutMs', 0),
      maxNumSeqs: options.maxNumSeqs === undefined ? undefined : given.count('maxNumSeqs', 0, 1),
      maxQueue: given.count('maxQueue', 1024, 0),
      stallTimeoutMs: given.ms('stallTimeoutMs', 60_000),
      maxUnsentBytes: given.count('maxUnsentBytes', 4 << 20, 1),
      requestIdHeaders: given.flag('requestIdHeaders', false),
    },
    responses: {
      maxResponses: given.count('maxStoredResponses', 10_000, 0),
      maxBytes: given.count('maxStoredResponsesBytes', 64 << 20, 0),
    },
    log: {
      access: given.flag('accessLog', true),
      requests: given.flag('logRequests', false),
      outputs: given.flag('logOutputs', false),
      maxLogLength: options.maxLogLength === undefined ? undefined : given.count('maxLogLength', 0, 0),
    },
  }
  checkParserNames(config.endpoints)
  return deepFreeze(config)
}

/** Names that requests may ask for. @throws InvalidArgumentError. */
export function parseModelNames({ modelNames = ['quire'] }: ServerOptions): readonly [string, ...string[]] {
  const names = check.object('modelNames', modelNames).map(name => check.string('modelNames', name))
  const [first, ...others] = names
  if (first === undefined || names.includes('')) {
    throw new InvalidArgumentError('modelNames', 'modelNames must have at least one name, and no empty one.', names)
  }
  return [first, ...others]
}

/** Reads options by their kind. */
class Given {
  readonly #options: Readonly<Record<string, unknown>>

  constructor(options: ServerOptions) {
    this.#options = options as Readonly<Record<string, unknown>>
  }

  flag(name: keyof ServerOptions, fallback: boolean): boolean {
    return check.boolean(name, this.#options[name] ?? fallback)
  }

  count(name: keyof ServerOptions, fallback: number, least: number): number {
    return check.integer(name, this.#options[name] ?? fallback, least, MOST_COUNT)
  }

  ms(name: keyof ServerOptions, fallback: number): number {
    return check.number(name, this.#options[name] ?? fallback, { atLeast: 0, atMost: MOST_MS })
  }

  words(name: keyof ServerOptions, fallback: readonly string[]): readonly string[] {
    const words = (this.#options[name] ?? fallback) as unknown
    if (!Array.isArray(words)) throw new InvalidArgumentError(name, `${name} must be a list of strings.`, words)
    return words.map(word => {
      if (check.string(name, word) === '')
        throw new InvalidArgumentError(name, `${name} must not have an empty string.`, word)
      return word as string
    })
  }
}

/** `/llm`, or nothing. */
function rootPathOf(given: unknown): string {
  const path = check.string('rootPath', given ?? '').replace(/\/+$/, '')
  if (path !== '' && !path.startsWith('/'))
    throw new InvalidArgumentError('rootPath', 'rootPath must begin with /.', given)
  return path
}

function deepFreeze(config: ServerConfig): ServerConfig {
  for (const slice of Object.values(config)) Object.freeze(slice)
  return Object.freeze(config)
}
