// Broken copies of small models: each gives a typed error with its code, soon, and never takes the process along.

import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type CreateOptions, LLM, type RequestOutput } from 'quire-llm'

type Json = Record<string, unknown>
type Header = Record<string, { dtype: unknown; shape: number[]; data_offsets: [number, number] }>
type Break = (directory: string) => void
type Row = readonly [name: string, break_: Break, code: string, message: RegExp]

const directoryOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const checkpoint = directoryOf('tests/fixtures/llama_gqa')
const sharded = directoryOf('tests/fixtures/llama_sharded')
const hybrid = directoryOf('tests/fixtures/granite4')
const untied = directoryOf('tests/fixtures/llama_untied')
const bundled = directoryOf('ts/assets/tiny-model')

const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const EMBEDDING = 'model.embed_tokens.weight'
const PROJECTION = 'model.layers.0.mlp.down_proj.weight'

/** A copy of a model that is broken and goes away with the test. */
function brokenCopy(t: ExecutionContext, model: string, break_: Break): string {
  const directory = mkdtempSync(join(tmpdir(), 'quire-broken-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  cpSync(model, directory, { recursive: true })
  break_(directory)
  return directory
}

const without =
  (file: string): Break =>
  directory =>
    rmSync(join(directory, file))

const written =
  (file: string, contents: string | Uint8Array): Break =>
  directory =>
    writeFileSync(join(directory, file), contents)

const truncated =
  (file: string, bytes: number): Break =>
  directory =>
    truncateSync(join(directory, file), bytes)

/** Fields of a JSON file replaced. */
const json =
  (file: string, fields: Json): Break =>
  directory => {
    const path = join(directory, file)
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as Json), ...fields }))
  }

const config = (fields: Json) => json('config.json', fields)
const generation = (fields: Json) => json('generation_config.json', fields)
const chatTemplate = (source: unknown) => json('tokenizer_config.json', { chat_template: source })

/** The header's text and the bytes after it. */
function parts(file: Buffer): { header: Header; data: Buffer } {
  const length = Number(file.readBigUInt64LE(0))
  return { header: JSON.parse(file.toString('utf8', 8, 8 + length)) as Header, data: file.subarray(8 + length) }
}

/** The safetensors header changed, or replaced by a text. */
const header =
  (change: (header: Header) => string | undefined): Break =>
  directory => {
    const path = join(directory, WEIGHTS)
    const { header: fields, data } = parts(readFileSync(path))
    const text = Buffer.from(change(fields) ?? JSON.stringify(fields))
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(text.length))
    writeFileSync(path, Buffer.concat([length, text, data]))
  }

/** One entry of the header changed. */
const entry = (name: string, fields: Partial<Header[string]>): Break =>
  header(tensors => {
    Object.assign(tensors[name] as Header[string], fields)
    return undefined
  })

const headerLength =
  (bytes: bigint): Break =>
  directory => {
    const path = join(directory, WEIGHTS)
    const file = readFileSync(path)
    file.writeBigUInt64LE(bytes)
    writeFileSync(path, file)
  }

/** Every tensor of the index, or those that `of` chooses, mapped to another file. */
const mapped =
  (to: (file: string) => unknown): Break =>
  directory => {
    const path = join(directory, INDEX)
    const index = JSON.parse(readFileSync(path, 'utf8')) as { weight_map: Json }
    for (const [name, file] of Object.entries(index.weight_map)) index.weight_map[name] = to(file as string)
    writeFileSync(path, JSON.stringify(index))
  }

const weights: readonly Row[] = [
  ['no weights', without(WEIGHTS), 'ERR_MODEL_NOT_FOUND', /no model\.safetensors/],
  [
    'a tensor under another name',
    header(h => JSON.stringify(h).replace(PROJECTION, 'other')),
    'ERR_MODEL_INVALID',
    /down_proj\.weight` is missing/,
  ],
  ['a shape turned round', entry(PROJECTION, { shape: [80, 64] }), 'ERR_MODEL_INVALID', /\[80, 64\].*\[64, 80\]/],
  ['a shape of other size', entry(PROJECTION, { shape: [3, 3] }), 'ERR_MODEL_INVALID', /\[3, 3\]/],
  ['a shape beyond 64 bits', entry(PROJECTION, { shape: [2 ** 53, 2 ** 53] }), 'ERR_MODEL_INVALID', /9007199254740992/],
  ['a negative shape', entry(PROJECTION, { shape: [-64, 80] }), 'ERR_MODEL_INVALID', /-64/],
  ['half a file', truncated(WEIGHTS, 100_000), 'ERR_MODEL_INVALID', /model\.safetensors/],
  ['5 bytes', truncated(WEIGHTS, 5), 'ERR_MODEL_INVALID', /too few/],
  ['an empty file', truncated(WEIGHTS, 0), 'ERR_MODEL_INVALID', /too few/],
  ['a header longer than the file', headerLength(1n << 40n), 'ERR_MODEL_INVALID', /header claims 1099511627776/],
  ['a header of 2^64 - 1 bytes', headerLength((1n << 64n) - 1n), 'ERR_MODEL_INVALID', /header claims/],
  ['a header that is no JSON', header(() => '\u0000'.repeat(100)), 'ERR_MODEL_INVALID', /header JSON/],
  ['a header that is a list', header(() => '[1]'), 'ERR_MODEL_INVALID', /header JSON/],
  ['a header nested deep', header(() => `{"a":${'['.repeat(200_000)}`), 'ERR_MODEL_INVALID', /header JSON/],
  ['I64', entry(EMBEDDING, { dtype: 'I64', shape: [64, 64] }), 'ERR_MODEL_UNSUPPORTED', /I64.*F32, F16 and BF16/],
  [
    'F8',
    entry(EMBEDDING, { dtype: 'F8_E4M3', shape: [512, 64] }),
    'ERR_MODEL_UNSUPPORTED',
    /F8_E4M3.*F32, F16 and BF16/,
  ],
  ['an unknown dtype', entry(EMBEDDING, { dtype: 'F3' }), 'ERR_MODEL_INVALID', /F3/],
  [
    'offsets that overlap',
    entry('model.norm.weight', { data_offsets: [0, 256] }),
    'ERR_MODEL_INVALID',
    /occupies bytes/,
  ],
  ['offsets reversed', entry(EMBEDDING, { data_offsets: [32_768, 0] }), 'ERR_MODEL_INVALID', /occupies bytes/],
  ['offsets beyond the file', entry(EMBEDDING, { data_offsets: [1e12, 1e12 + 32_768] }), 'ERR_MODEL_INVALID', /bytes/],
]

const shards: readonly Row[] = [
  ['a shard outside the folder', mapped(file => `../${file}`), 'ERR_MODEL_INVALID', /not a file name inside/],
  ['a shard with an absolute path', mapped(() => '/dev/zero'), 'ERR_MODEL_INVALID', /not a file name inside/],
  ['a shard that is not there', without('model-00002-of-00003.safetensors'), 'ERR_MODEL_INVALID', /model-00002/],
  ['a tensor that its shard lacks', mapped(() => 'model-00001-of-00003.safetensors'), 'ERR_MODEL_INVALID', /missing/],
  ['a shard that is a number', mapped(() => 5), 'ERR_MODEL_INVALID', /weight_map/],
  ['an index without a map', written(INDEX, '{}'), 'ERR_MODEL_INVALID', /weight_map/],
  ['an index that is no JSON', written(INDEX, '{'), 'ERR_MODEL_INVALID', /not valid JSON/],
]

const impossible: readonly (readonly [Json, RegExp])[] = [
  ...['hidden_size', 'vocab_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'head_dim'].flatMap(
    field => [0, -1, 1e18, 64.5, 'NaN'].map(value => [{ [field]: value }, new RegExp(field)] as const),
  ),
  [{ hidden_size: null }, /hidden_size/],
  [{ num_attention_heads: 7 }, /num_key_value_heads/],
  [{ num_key_value_heads: 3 }, /divisor/],
  [{ num_key_value_heads: 16 }, /divisor/],
  [{ num_hidden_layers: 1e9 }, /num_hidden_layers/],
  [{ max_position_embeddings: 0 }, /max_position_embeddings/],
  [{ rms_norm_eps: -1 }, /rms_norm_eps/],
  [{ rms_norm_eps: '1e-5' }, /rms_norm_eps/],
  [{ rope_theta: 0 }, /rope_theta/],
  [{ rope_theta: 'NaN' }, /rope_theta/],
  [{ rope_scaling: 'linear' }, /rope_scaling/],
  [{ rope_scaling: { rope_type: 'linear' } }, /factor/],
  [{ rope_scaling: { rope_type: 'yarn', factor: -3 } }, /factor/],
  [{ rope_scaling: { rope_type: 'mrope', factor: 2 } }, /mrope.*linear, dynamic, llama3, yarn, longrope/],
  [{ rope_scaling: { rope_type: 'longrope', factor: 2 } }, /short_factor.*absent/],
  [{ hidden_act: 5 }, /hidden_act/],
  [{ eos_token_id: 'x' }, /eos_token_id/],
  [{ architectures: [] }, /architecture/],
  [{ tie_word_embeddings: false }, /lm_head\.weight/],
]

const configs: readonly Row[] = [
  ...impossible.map(([fields, message]): Row => [JSON.stringify(fields), config(fields), 'ERR_MODEL_INVALID', message]),
  ['an odd head_dim', config({ head_dim: 7 }), 'ERR_MODEL_UNSUPPORTED', /head_dim/],
  ['an unknown activation', config({ hidden_act: 'swishy' }), 'ERR_MODEL_UNSUPPORTED', /swishy.*silu/],
  [
    'a model type that nobody knows, alone',
    config({ architectures: null, model_type: 'foo' }),
    'ERR_MODEL_UNSUPPORTED',
    /foo.*LlamaForCausalLM/,
  ],
  [
    'neither architecture nor model type',
    config({ architectures: null, model_type: null }),
    'ERR_MODEL_INVALID',
    /names no architecture/,
  ],
  ['an unknown architecture', config({ architectures: ['Foo'] }), 'ERR_MODEL_UNSUPPORTED', /Foo.*LlamaForCausalLM/],
  ['a billion positions', config({ max_position_embeddings: 1e9 }), 'ERR_OUT_OF_MEMORY', /maxModelLen/],
  ['no config.json', without('config.json'), 'ERR_MODEL_NOT_FOUND', /config\.json/],
  ['config.json that is no JSON', written('config.json', '{{{'), 'ERR_MODEL_INVALID', /not valid JSON/],
  ['config.json of bytes', written('config.json', Buffer.alloc(1000, 0xff)), 'ERR_MODEL_INVALID', /not valid JSON/],
  ['config.json that is null', written('config.json', 'null'), 'ERR_MODEL_INVALID', /JSON object/],
  [
    'config.json nested deep',
    directory => {
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
      writeFileSync(join(directory, 'config.json'), `{"architectures":["LlamaForCausalLM"],"x":${deep}}`)
    },
    'ERR_MODEL_INVALID',
    /recursion/,
  ],
]

const generationConfigs: readonly Row[] = [
  ...[
    { temperature: -1 },
    { temperature: 'hot' },
    { top_p: 5 },
    { top_k: 1.5 },
    { repetition_penalty: 0 },
    { max_new_tokens: 0 },
    { max_new_tokens: 1e18 },
    { eos_token_id: [1, {}] },
  ].map(
    (fields): Row => [
      `generation_config.json with ${JSON.stringify(fields)}`,
      generation(fields),
      'ERR_MODEL_INVALID',
      /generation_config\.json/,
    ],
  ),
  [
    'generation_config.json cut short',
    written('generation_config.json', '{{'),
    'ERR_MODEL_INVALID',
    /generation_config/,
  ],
]

/** Parts of an architecture that are not computed, where others are. */
const hybrids: readonly Row[] = [
  [
    'layers of state spaces',
    config({ layer_types: ['attention', 'mamba'] }),
    'ERR_MODEL_UNSUPPORTED',
    /layer_types.*mamba/,
  ],
  ['layers of no kind', config({ layer_types: null }), 'ERR_MODEL_UNSUPPORTED', /layer_types.*absent/],
  ['layers of a number', config({ layer_types: [1, 2] }), 'ERR_MODEL_INVALID', /layer_types.*list of strings/],
  ['experts', config({ num_local_experts: 4 }), 'ERR_MODEL_UNSUPPORTED', /num_local_experts.*4/],
]

const tokenizers: readonly Row[] = [
  ['no tokenizer.json', without('tokenizer.json'), 'ERR_TOKENIZER', /tokenizer\.json.*loadTokenizer: false/s],
  ['tokenizer.json cut short', truncated('tokenizer.json', 1000), 'ERR_TOKENIZER', /tokenizer\.json is not valid/],
  ['tokenizer.json that is no JSON', written('tokenizer.json', 'hello'), 'ERR_TOKENIZER', /not valid/],
  ['tokenizer.json that is null', written('tokenizer.json', 'null'), 'ERR_TOKENIZER', /not valid/],
  ['tokenizer.json of bytes', written('tokenizer.json', Buffer.alloc(9999, 0xff)), 'ERR_TOKENIZER', /not valid/],
  ['tokenizer.json nested deep', written('tokenizer.json', '['.repeat(1e6)), 'ERR_TOKENIZER', /recursion/],
  ['a model that is a number', json('tokenizer.json', { model: 5 }), 'ERR_TOKENIZER', /not valid/],
  ['added tokens that are a text', json('tokenizer.json', { added_tokens: 'x' }), 'ERR_TOKENIZER', /not valid/],
  [
    'a negative token id',
    json('tokenizer.json', { model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }),
    'ERR_TOKENIZER',
    /-1/,
  ],
  ['tokenizer_config.json cut short', written('tokenizer_config.json', '{'), 'ERR_TOKENIZER', /tokenizer_config\.json/],
]

function check(area: string, model: string, rows: readonly Row[], options: CreateOptions = {}): void {
  for (const [name, break_, code, message] of rows) {
    test(`${area}: ${name}`, async t => {
      const path = brokenCopy(t, model, break_)
      const error = await t.throwsAsync(LLM.create({ model: path, numBlocks: 40, ...options }), { code, message })
      t.notRegex(error?.message ?? '', /panic|this is a bug/)
    })
  }
}

check('weights', checkpoint, weights, { loadTokenizer: false })
check('shards', sharded, shards, { loadTokenizer: false })
check('config', checkpoint, configs, { loadTokenizer: false })
check('hybrid', hybrid, hybrids, { loadTokenizer: false })
check('generation config', checkpoint, generationConfigs, { loadTokenizer: false })
check('tokenizer', bundled, tokenizers)

test('where config.json names no class, the model type decides', async t => {
  const model = brokenCopy(t, checkpoint, config({ architectures: null }))
  await using llm = await LLM.create({ model, loadTokenizer: false, numBlocks: 40 })
  t.is(llm.modelInfo.architecture, 'LlamaForCausalLM')
})

test('generationConfig none leaves a broken default alone', async t => {
  const model = brokenCopy(t, checkpoint, generation({ temperature: -1 }))
  await using llm = await LLM.create({ model, loadTokenizer: false, numBlocks: 40, generationConfig: 'none' })
  t.is(llm.defaultSamplingParams.temperature, 1)
})

const loop = (inner: string) => `{% for i in range(99999) %}${inner}{% endfor %}`
const templates: readonly (readonly [string, unknown, string, RegExp])[] = [
  ['that does not parse', '{% for %}', 'ERR_CHAT_TEMPLATE', /does not parse/],
  ['that is missing', null, 'ERR_CHAT_TEMPLATE', /no chat template/],
  ['that is a number', 5, 'ERR_TOKENIZER', /chat_template/],
  ['that raises', "{{ raise_exception('no thanks') }}", 'ERR_CHAT_TEMPLATE', /no thanks/],
  ['that never ends', loop(loop(loop('x'))), 'ERR_CHAT_TEMPLATE', /limit/],
  ['that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'ERR_CHAT_TEMPLATE', /limit/],
  ['that is nested deep', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`, 'ERR_CHAT_TEMPLATE', /nested/],
  ['that multiplies a text', "{{ 'a' * 10**12 }}", 'ERR_CHAT_TEMPLATE', /limit/],
  ['that asks for a huge batch', '{{ [1] | batch(10**12) | list }}', 'ERR_CHAT_TEMPLATE', /limit/],
  ['that asks for many slices', '{{ [1] | slice(10**12) | list }}', 'ERR_CHAT_TEMPLATE', /limit/],
  ['that gives nothing', '', 'ERR_PROMPT_EMPTY', /empty/],
]

for (const [name, source, code, message] of templates) {
  test(`a chat template ${name}`, async t => {
    await using llm = await LLM.create({ model: brokenCopy(t, bundled, chatTemplate(source)), numBlocks: 40 })
    await t.throwsAsync(llm.chat([{ role: 'user', content: 'Hi' }], { maxTokens: 2 }), { code, message })
    t.is((await llm.generate('Once', { maxTokens: 2, ignoreEos: true })).outputs[0]?.tokenIds.length, 2)
  })
}

/** Numbers of a float32 tensor replaced by NaN. */
const notANumber =
  (tensor: string, first: number, count: number): Break =>
  directory => {
    const path = join(directory, WEIGHTS)
    const { header: tensors, data } = parts(readFileSync(path))
    const begin = (tensors[tensor] as Header[string]).data_offsets[0]
    for (let index = first; index < first + count; index += 1) data.writeFloatLE(Number.NaN, begin + 4 * index)
    const text = Buffer.from(JSON.stringify(tensors))
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(text.length))
    writeFileSync(path, Buffer.concat([length, text, data]))
  }

test('weights of NaN end every request with an error, and none hangs', async t => {
  const model = brokenCopy(t, checkpoint, notANumber('model.norm.weight', 0, 64))
  await using llm = await LLM.create({ model, loadTokenizer: false, numBlocks: 40 })
  const params = [
    { temperature: 0 },
    { temperature: 1, n: 2, logprobs: 2 },
    { promptLogprobs: 2, temperature: 1 },
    { temperature: 1, topK: 5, topP: 0.5, minP: 0.1, repetitionPenalty: 1.2 },
  ]
  for (let round = 0; round < 2; round += 1) {
    const results = await Promise.allSettled(params.map(one => llm.generate([5, 6], { maxTokens: 4, ...one })))
    for (const result of results) {
      t.is(result.status === 'rejected' && (result.reason as { code: string }).code, 'ERR_RUNNER')
    }
  }
  t.is(llm.stats().numRunning, 0)
})

test('an embedding of NaN ends the requests that use it, and the others go on', async t => {
  const options = { loadTokenizer: false, numBlocks: 40 }
  const params = { temperature: 0, maxTokens: 4, ignoreEos: true }
  await using whole = await LLM.create({ model: untied, ...options })
  const expected = idsOf(await whole.generate([5, 6], params))
  const token = [...Array(100).keys()].find(id => id > 6 && !expected.includes(id)) as number
  const width = whole.modelInfo.hiddenSize
  const model = brokenCopy(t, untied, notANumber(EMBEDDING, token * width, width))
  await using llm = await LLM.create({ model, ...options })
  const [good, bad] = await Promise.allSettled([llm.generate([5, 6], params), llm.generate([5, token], params)])
  t.deepEqual(good?.status === 'fulfilled' && idsOf(good.value), expected)
  t.is(bad?.status === 'rejected' && (bad.reason as { code: string }).code, 'ERR_RUNNER')
  t.deepEqual(idsOf(await llm.generate([5, 6], params)), expected)
})

function idsOf({ outputs }: RequestOutput): readonly number[] {
  return [...(outputs[0]?.tokenIds ?? [])]
}
