// What the operator of a server decided: parsed once, frozen. Options of the engine are the engine's.

/** What endpoints ask of it. */
export interface EndpointConfig {
  /** Report cached prompt tokens in `usage`. */
  readonly promptTokensDetails: boolean
  /** Send the usage chunk of streams whether it was asked for or not. */
  readonly forceIncludeUsage: boolean
  /** Write tokens as `token_id:N` in all logprobs. */
  readonly returnTokensAsTokenIds: boolean
  /** How message contents reach the template: as a string, as OpenAI's parts, or as the template seems to want them. */
  readonly chatTemplateContentFormat: 'auto' | 'string' | 'openai'
  /** Let requests bring their own template. */
  readonly trustRequestChatTemplate: boolean
  /** The role of replies. Default `assistant`. */
  readonly responseRole: string
  /** The operator counts on calls: they are found anyway where the chat template teaches them; where not, a warning says so. */
  readonly autoToolChoice: boolean
  /** Name of the parser of tool calls; undefined: as the chat template shows. */
  readonly toolCallParser: string | undefined
  /** Name of the parser of reasoning; undefined: as the chat template shows, `none`: off. */
  readonly reasoningParser: string | undefined
  /** Cap on the tokens of any one completion. */
  readonly maxTokensCap: number | undefined
  /** Most prompts in one completions request. */
  readonly maxCompletionPrompts: number
  /** Most choices of one request. */
  readonly maxChoices: number
  /** Endpoints for development: `/server_info`, `/reset_prefix_cache`, `/pause`, ... */
  readonly dev: boolean
  /** Serve `/tokenizer_info`. */
  readonly tokenizerInfo: boolean
  /** Serve the chat page at `/`. */
  readonly ui: boolean
  /** Serve `/docs` and `/openapi.json`. */
  readonly docs: boolean
}

/** What the server's kernel asks of it. */
export interface GateConfig {
  /** Accepted bearer tokens; none: everyone is let in. */
  readonly apiKeys: readonly string[]
  /** Ask for a key on every path, not on `/v1` and its like alone. */
  readonly guardAllPaths: boolean
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly string[]
  readonly allowedHeaders: readonly string[]
  readonly allowCredentials: boolean
  /** A path that a proxy puts before all others. */
  readonly rootPath: string
  readonly maxBodyBytes: number
  /** Bytes of all bodies that are being read or answered at once. */
  readonly maxBodiesBytes: number
  readonly maxJsonDepth: number
  /** Milliseconds until a body must have come. */
  readonly bodyTimeoutMs: number
  /** Milliseconds until a request must be answered; 0: no limit. */
  readonly requestTimeoutMs: number
  /** Sequences that run at once, for the bound on what waits; undefined: as many as the engine runs. */
  readonly maxNumSeqs: number | undefined
  /** Sequences that may wait beyond those; what comes after them is answered with 429. */
  readonly maxQueue: number
  /** Milliseconds that an event stream may stand still because its reader does. */
  readonly stallTimeoutMs: number
  /** Bytes of events that may wait for a reader. */
  readonly maxUnsentBytes: number
  /** Give every reply an `X-Request-Id`. */
  readonly requestIdHeaders: boolean
}

export interface LogConfig {
  /** A line for each reply. */
  readonly access: boolean
  /** Log prompts and parameters of requests. */
  readonly requests: boolean
  /** Log outputs of requests. */
  readonly outputs: boolean
  /** Most characters of a prompt or an output in the log; undefined: all. */
  readonly maxLogLength: number | undefined
}

/** What is kept of responses. */
export interface ResponsesConfig {
  /** Responses that are kept; 0: none. */
  readonly maxResponses: number
  /** Bytes of all that are kept. */
  readonly maxBytes: number
}

export interface ServerConfig {
  readonly endpoints: EndpointConfig
  readonly gate: GateConfig
  readonly log: LogConfig
  readonly responses: ResponsesConfig
}
