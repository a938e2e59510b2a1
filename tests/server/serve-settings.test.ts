// Command lines of `quire serve`: vLLM's names and spellings, files, the environment, and what is wrong with the others.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { numberOf } from '../../ts/src/cli/number-suffix.js'
import { parseServeSettings } from '../../ts/src/cli/serve-settings.js'
import { CERT, KEY } from './localhost-certificate.js'

const folder = mkdtempSync(join(tmpdir(), 'quire-serve-'))
test.after.always(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Row {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly engine?: object
  readonly server?: object
}

const rows: Readonly<Record<string, Row>> = {
  nothing: { args: [], engine: { restart: true }, server: { modelNames: ['quire-tiny'] } },
  'a model that stands first': {
    args: ['org/model', '--port', '9000'],
    engine: { model: 'org/model', restart: true },
    server: { modelNames: ['org/model'], port: 9000 },
  },
  'a revision': {
    args: ['org/model', '--revision', 'v1'],
    engine: { model: 'org/model@v1' },
    server: { modelNames: ['org/model'] },
  },
  'names of vLLM for engine options': {
    args: ['--gpu-memory-utilization=0.5', '--num-gpu-blocks-override', '100', '--max-model-len', '2k', '-tp', '2'],
    engine: { memoryUtilization: 0.5, numBlocks: 100, maxModelLen: 2000, tensorParallelSize: 2 },
  },
  'underscores, and K': { args: ['--max_num_batched_tokens=4K'], engine: { maxNumBatchedTokens: 4096 } },
  'switches on and off': {
    args: ['--no-enable-prefix-caching', '--enable-chunked-prefill', '--no-restart'],
    engine: { enablePrefixCaching: false, enableChunkedPrefill: true, restart: false },
  },
  'a limit of the engine that the queue counts from': {
    args: ['--max-num-seqs', '8', '--max-queue', '2'],
    engine: { maxNumSeqs: 8 },
    server: { maxQueue: 2 },
  },
  'an endpoint that is off otherwise': { args: ['--enable-tokenizer-info-endpoint'], server: { tokenizerInfo: true } },
  'several names': {
    args: ['--served-model-name', 'a', 'b', '--port', '1'],
    server: { modelNames: ['a', 'b'], port: 1 },
  },
  'keys, repeated': { args: ['--api-key', 'a', '--api-key', 'b'], server: { apiKeys: ['a', 'b'] } },
  'a key of the environment': { args: [], env: { VLLM_API_KEY: 'v' }, server: { apiKeys: ['v'] } },
  'our key before that of vLLM': {
    args: [],
    env: { VLLM_API_KEY: 'v', QUIRE_API_KEY: 'q' },
    server: { apiKeys: ['q'] },
  },
  'the key of the line before that of the environment': {
    args: ['--api-key', 'a'],
    env: { QUIRE_API_KEY: 'q' },
    server: { apiKeys: ['a'] },
  },
  'lists as JSON': { args: ['--allowed-origins', '["*"]'], server: { allowedOrigins: ['*'] } },
  seconds: {
    args: ['--request-timeout', '1.5', '--header-timeout', '3'],
    server: { requestTimeoutMs: 1500, headersTimeoutMs: 3000 },
  },
  'what changes nothing here': {
    args: ['--trust-remote-code', '--load-format', 'auto', '--pipeline-parallel-size=1', '--port', '7'],
    server: { port: 7 },
  },
  'what the KV cache stores': { args: ['--kv-cache-dtype', 'fp8'], engine: { kvCacheDtype: 'fp8' } },
  'names of vLLM for the server': {
    args: [
      '--disable-uvicorn-access-log',
      '--disable-fastapi-docs',
      '--h11-max-header-count',
      '10',
      '--no-ui',
      '--dev',
    ],
    server: { accessLog: false, docs: false, maxHeaders: 10, ui: false, dev: true },
  },
  'generation without the defaults of the model': {
    args: ['--generation-config', 'vllm', '--override-generation-config', '{"max_new_tokens": 64}'],
    engine: { generationConfig: 'none' },
    server: { maxTokensCap: 64 },
  },
  'a template as text': { args: ['--chat-template', '{{ messages }}'], engine: { chatTemplate: '{{ messages }}' } },
  'a template as a file': {
    args: ['--chat-template', file('template.jinja', '{{ bos_token }}')],
    engine: { chatTemplate: '{{ bos_token }}' },
  },
  TLS: {
    args: ['--ssl-keyfile', file('key.pem', KEY), '--ssl-certfile', file('cert.pem', CERT), '--ssl-cert-reqs', '2'],
    server: { tls: { key: Buffer.from(KEY), cert: Buffer.from(CERT), requestCert: true } },
  },
  'a file': {
    args: [
      '--config',
      file(
        'all.yaml',
        'model: org/of-file\nport: 1234\nmax-model-len: 1k\nserved-model-name: [x, y]\nenable-prefix-caching: false\n' +
          'dev: false\nrestart: false\nallowed_origins:\n  - https://a.example\noverride-generation-config: { max_new_tokens: 5 }\n',
      ),
    ],
    engine: { model: 'org/of-file', maxModelLen: 1000, enablePrefixCaching: false, restart: false },
    server: { port: 1234, modelNames: ['x', 'y'], allowedOrigins: ['https://a.example'], maxTokensCap: 5 },
  },
  'a line that beats its file': {
    args: [
      'org/of-line',
      '--served-model-name',
      'z',
      '--no-enable-prefix-caching',
      '--config',
      file('beaten.yaml', 'model: org/of-file\nserved-model-name: [x, y]\nenable-prefix-caching: true\nport: 4321\n'),
    ],
    engine: { model: 'org/of-line', enablePrefixCaching: false },
    server: { port: 4321, modelNames: ['z'] },
  },
}

for (const [title, { args, env = {}, engine, server }] of Object.entries(rows)) {
  test(`read: ${title}`, t => {
    const settings = parseServeSettings(args, env)
    if (engine !== undefined) t.like(settings.engine, engine)
    if (server !== undefined) t.like(settings.server, server)
    t.is(settings.server.apiKeys === undefined, server === undefined || !('apiKeys' in server))
  })
}

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [['--prot', '1'], /There is no option --prot\. Did you mean --port\?/],
  [['--max-model-length', '1'], /Did you mean --max-model-len\?/],
  [['--qqqqqqq'], /^There is no option --qqqqqqq\. `quire serve --help` lists all\.$/],
  [['--enable-lora'], /--enable-lora is a flag of vLLM that Quire does not have\. Adapters/],
  [['--speculative-config', 'ngram'], /--speculative-config is not valid JSON/],
  [['--speculative-config', '[]'], /needs a JSON object/],
  [['--pipeline-parallel-size=2'], /can only be 1 here, got '2'/],
  [['--port', 'many'], /--port needs a number/],
  [['--port'], /--port needs a value/],
  [['--max-num-seqs', '1.5K'], /needs a number, such as 8, 1k/],
  [['--api-key'], /--api-key needs a value/],
  [['--port', '1', 'stray'], /'stray' belongs to no option/],
  [['--dev=maybe'], /on or off/],
  [['--ssl-keyfile', file('k.pem', KEY)], /go together/],
  [['--ssl-keyfile', join(folder, 'none.pem'), '--ssl-certfile', 'x'], /--ssl-keyfile cannot be read/],
  [['--config', join(folder, 'none.yaml')], /cannot be read/],
  [['--config', file('broken.yaml', 'a: [1')], /not valid YAML/],
  [['--config', file('list.yaml', '- a')], /options and their values/],
  [['--config', file('twice.yaml', 'port: 1\nport: 2')], /not valid YAML: duplicated/],
  [['--config', file('several.yaml', 'port: 1\n---\nport: 2')], /several YAML documents/],
  [['--config', file('endless.yaml', 'port: &self { port: *self }')], /port holds itself/],
  [['--config', file('unknown.yaml', 'prot: 1')], /Did you mean --port/],
  [['--config', file('nested.yaml', 'config: other.yaml')], /another configuration file/],
  [['--chat-template', 'no-such-file'], /no file no-such-file/],
  [['--generation-config', 'some/path'], /auto or vllm/],
  [['--override-generation-config', '{"temperature": 1}'], /takes max_new_tokens, not temperature/],
  [['--override-generation-config', '{'], /not valid JSON/],
  [['--revision', 'x'], /goes with a model by name/],
  [['--allowed-origins', '[1]'], /list of strings/],
]
for (const [args, message] of wrong) {
  test(`refused: ${args.map(arg => arg.replace(folder, '')).join(' ')}`, t => {
    const error = t.throws(() => parseServeSettings(args, {}), { name: 'UsageError' })
    t.regex(error?.message ?? '', message)
  })
}

test('numbers with suffixes', t => {
  const numbers: readonly (readonly [string, number])[] = [
    ['8', 8],
    ['-1', -1],
    ['0.5', 0.5],
    ['1k', 1000],
    ['1.5k', 1500],
    ['2m', 2_000_000],
    ['1K', 1024],
    ['2M', 2 << 20],
    ['1G', 2 ** 30],
    ['1e3', 1000],
    ['1.5K', Number.NaN],
    ['k', Number.NaN],
    ['', Number.NaN],
    ['12abc', Number.NaN],
  ]
  for (const [text, value] of numbers) t.is(numberOf(text), value, text)
})
