// The options of `quire serve`: a row for each, with vLLM's names, and what of the server it sets.

import type { EngineOptions } from '../config/index.js'
import type { NodeServerOptions } from '../server/index.js'
import { engineRows, type OptionRow } from './options.js'

export interface ServeRow extends OptionRow {
  readonly server?: keyof NodeServerOptions
  /** What one unit of the flag is in the option's unit: 1000 for seconds as milliseconds. */
  readonly scale?: number
}

type Server = keyof NodeServerOptions

const text = (name: string, server: Server, value: string, help: string): ServeRow => ({
  name,
  kind: 'text',
  value,
  help,
  server,
})
const words = (name: string, server: Server, value: string, help: string): ServeRow => ({
  name,
  kind: 'texts',
  value,
  help,
  server,
})
const count = (name: string, server: Server, help: string): ServeRow => ({
  name,
  kind: 'number',
  value: 'N',
  help,
  server,
})
const seconds = (name: string, server: Server, help: string): ServeRow => ({
  name,
  kind: 'number',
  value: 'SECONDS',
  help,
  server,
  scale: 1000,
})
const flag = (name: string, server: Server, help: string): ServeRow => ({ name, kind: 'flag', help, server })
const off = (name: string, server: Server, help: string): ServeRow => ({
  name,
  kind: 'flag',
  help,
  server,
  negates: true,
})
const own = (name: string, kind: OptionRow['kind'], value: string, help: string): ServeRow => ({
  name,
  kind,
  value,
  help,
})
const ownFlag = (name: string, help: string): ServeRow => ({ name, kind: 'flag', help })

const listenRows: readonly ServeRow[] = [
  text('host', 'host', 'HOST', 'address to listen on (default: all interfaces)'),
  count('port', 'port', 'port to listen on; 0: any that is free (default: 8000)'),
  text('uds', 'uds', 'PATH', 'unix socket to listen on, instead of host and port'),
  own('ssl-keyfile', 'text', 'FILE', 'private key (PEM)'),
  own('ssl-certfile', 'text', 'FILE', 'certificate (PEM)'),
  own('ssl-ca-certs', 'text', 'FILE', 'authorities that clients are checked by (PEM)'),
  own('ssl-cert-reqs', 'number', 'N', '2: clients must have a certificate (default: 0)'),
  own('ssl-ciphers', 'text', 'LIST', "ciphers in OpenSSL's form"),
  count('max-connections', 'maxConnections', 'connections at once (default: 10000)'),
  count('max-header-bytes', 'maxHeaderBytes', "bytes of a request's headers (default: 64K)"),
  count('max-header-count', 'maxHeaders', 'headers of a request (default: 256)'),
  seconds('header-timeout', 'headersTimeoutMs', 'until the headers of a request must have come (default: 20)'),
  seconds('keep-alive-timeout', 'keepAliveTimeoutMs', 'that an idle connection is kept (default: 75)'),
]

const gateRows: readonly ServeRow[] = [
  words('api-key', 'apiKeys', 'KEY', 'key that clients must have (repeatable; default: QUIRE_API_KEY or VLLM_API_KEY)'),
  flag('api-key-guards-all', 'guardAllPaths', 'ask for a key on every path, /health and /metrics included'),
  words('allowed-origins', 'allowedOrigins', 'ORIGIN', 'origins that pages may call from; * for all (default: none)'),
  words('allowed-methods', 'allowedMethods', 'METHOD', 'methods that such pages may use (default: *)'),
  words('allowed-headers', 'allowedHeaders', 'HEADER', 'headers that such pages may send (default: *)'),
  flag('allow-credentials', 'allowCredentials', 'let such pages send cookies'),
  text('root-path', 'rootPath', 'PATH', 'path that a proxy puts before all others'),
  count('max-body-bytes', 'maxBodyBytes', 'bytes of a request body (default: 32M)'),
  seconds('body-timeout', 'bodyTimeoutMs', 'until a body must have come (default: 60)'),
  seconds('request-timeout', 'requestTimeoutMs', 'until a request must be answered; 0: no limit (default: 0)'),
  seconds('stall-timeout', 'stallTimeoutMs', 'that a stream may stand still because its reader does (default: 60)'),
  count('max-queue', 'maxQueue', 'sequences that may wait beyond --max-num-seqs (default: 1024)'),
  flag('enable-request-id-headers', 'requestIdHeaders', 'give every reply an X-Request-Id'),
]

const endpointRows: readonly ServeRow[] = [
  words('served-model-name', 'modelNames', 'NAME', 'names of the model for clients (default: as --model)'),
  own('chat-template', 'text', 'FILE', "Jinja template, or a file with one (default: the model's)"),
  text('chat-template-content-format', 'chatTemplateContentFormat', 'FORM', 'auto, string or openai (default: auto)'),
  flag('trust-request-chat-template', 'trustRequestChatTemplate', 'let requests bring a template'),
  text('response-role', 'responseRole', 'ROLE', 'role of replies (default: assistant)'),
  flag('enable-auto-tool-choice', 'autoToolChoice', 'warn if no parser finds calls; they are looked for anyway'),
  text('tool-call-parser', 'toolCallParser', 'NAME', 'parser of tool calls (default: by the chat template)'),
  text('reasoning-parser', 'reasoningParser', 'NAME', 'parser of reasoning'),
  flag('return-tokens-as-token-ids', 'returnTokensAsTokenIds', 'write tokens as token_id:N in logprobs'),
  flag('enable-prompt-tokens-details', 'promptTokensDetails', 'report cached prompt tokens in usage'),
  flag('enable-force-include-usage', 'forceIncludeUsage', 'send usage in every stream'),
  own('override-generation-config', 'text', 'JSON', 'max_new_tokens: cap on the tokens of a completion'),
  count('max-stored-responses', 'maxStoredResponses', 'responses that /v1/responses keeps; 0: none (default: 10000)'),
  count('max-stored-responses-bytes', 'maxStoredResponsesBytes', 'bytes of all of them (default: 64M)'),
  flag('enable-tokenizer-info-endpoint', 'tokenizerInfo', "/tokenizer_info: the tokenizer's configuration"),
  flag('dev', 'dev', 'endpoints for development: /server_info, /pause, ...'),
  off('no-ui', 'ui', 'no chat page at /'),
  off('no-docs', 'docs', 'neither /docs nor /openapi.json'),
]

const logRows: readonly ServeRow[] = [
  own('log-level', 'text', 'LEVEL', 'debug, info, warning, error or silent (default: info)'),
  ownFlag('disable-log-stats', 'no line about throughput every 10 seconds'),
  off('disable-access-log', 'accessLog', 'no line for each reply'),
  flag('enable-log-requests', 'logRequests', 'log prompts and parameters'),
  flag('enable-log-outputs', 'logOutputs', 'log outputs'),
  count('max-log-len', 'maxLogLength', 'characters of a prompt or output in the log (default: all)'),
]

const processRows: readonly ServeRow[] = [
  own('config', 'text', 'FILE', 'YAML file of options; the command line beats it'),
  own('shutdown-timeout', 'number', 'SECONDS', 'that running requests have after SIGTERM; 0: none (default: 30)'),
]

const moreEngineRows: readonly ServeRow[] = [
  { name: 'no-restart', kind: 'flag', help: 'end when a worker dies or hangs', engine: 'restart', negates: true },
  {
    name: 'enable-prefix-caching',
    kind: 'flag',
    help: 'share equal prompt beginnings (default)',
    engine: 'enablePrefixCaching',
  },
  {
    name: 'enable-chunked-prefill',
    kind: 'flag',
    help: 'compute long prompts over several steps (default)',
    engine: 'enableChunkedPrefill',
  },
  {
    name: 'no-enable-chunked-prefill',
    kind: 'flag',
    help: 'compute each prompt in one step',
    engine: 'enableChunkedPrefill',
    negates: true,
  },
  {
    name: 'long-prefill-token-threshold',
    kind: 'number',
    value: 'N',
    help: 'most tokens of one prompt in one step',
    engine: 'longPrefillTokenThreshold',
  },
  {
    name: 'scheduling-policy',
    kind: 'text',
    value: 'NAME',
    help: 'fcfs or priority (default: fcfs)',
    engine: 'schedulingPolicy',
  },
  { name: 'seed', kind: 'number', value: 'N', help: 'seeds requests without a seed of their own', engine: 'seed' },
  {
    name: 'max-logprobs',
    kind: 'number',
    value: 'N',
    help: 'most logprobs of a token; -1: the vocabulary (default: 20)',
    engine: 'maxLogprobs',
  },
  {
    name: 'logprobs-mode',
    kind: 'text',
    value: 'MODE',
    help: 'raw_logprobs, raw_logits, processed_... (default: raw_logprobs)',
    engine: 'logprobsMode',
  },
  {
    name: 'generation-config',
    kind: 'text',
    value: 'NAME',
    help: 'auto, or vllm for none of the model (default: auto)',
  },
  own('logits-processors', 'texts', 'NAME=FILE', 'module whose default export changes logits (repeatable)'),
  {
    name: 'skip-tokenizer-init',
    kind: 'flag',
    help: 'no tokenizer: prompts are token ids',
    engine: 'loadTokenizer',
    negates: true,
  },
]

const known = new Set(engineRows.map(({ name }) => name))

/** The groups that the help shows. */
export const serveGroups: readonly (readonly [string, readonly ServeRow[]])[] = [
  ['Listening', listenRows],
  ['Who may do what', gateRows],
  ['Endpoints', endpointRows],
  ['Logs', logRows],
  ['Process', processRows],
  ['Engine', [...engineRows, ...moreEngineRows.filter(({ name }) => !known.has(name))]],
]

export const serveRows: readonly ServeRow[] = serveGroups.flatMap(([, rows]) => rows)

/** vLLM's names, or shorter ones, for rows that have another. */
export const serveAliases: Readonly<Record<string, string>> = {
  'gpu-memory-utilization': 'memory-utilization',
  'kv-cache-memory-bytes': 'kv-cache-memory',
  'num-gpu-blocks-override': 'num-blocks',
  'h11-max-incomplete-event-size': 'max-header-bytes',
  'h11-max-header-count': 'max-header-count',
  'disable-uvicorn-access-log': 'disable-access-log',
  'disable-fastapi-docs': 'no-docs',
  'uvicorn-log-level': 'log-level',
  'max-waiting-requests': 'max-queue',
  'download-dir': 'cache-dir',
  tp: 'tensor-parallel-size',
}

/** What `serve` was told, beside the options of server and engine. */
export interface ServeSettings {
  readonly engine: EngineOptions
  readonly server: NodeServerOptions
  /** Values of rows that set neither, by name. */
  readonly own: Readonly<Record<string, string | readonly string[] | number | boolean>>
}
