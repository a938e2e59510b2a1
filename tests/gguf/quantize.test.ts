// `quire quantize`: files that run with what their model says, out of files and folders; and what it refuses.

import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { type CreateOptions, InvalidArgumentError, LLM } from 'quire-llm'
import { loadEmbeddedTools } from '../../ts/src/plugin/embedded-tools.js'
import { runQuire } from '../cli/quire-command.js'
import { reasonWithoutWeights, model as smollm2 } from '../parity/smollm2-model.js'

const test = anyTest as TestFn<{ directory: string }>
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))
const file = join(fixtures, 'gguf/stories260K-Q4_0.gguf')

test.beforeEach(async t => {
  t.context.directory = await mkdtemp(join(tmpdir(), 'quire-quantize-'))
})
test.afterEach.always(async t => {
  await rm(t.context.directory, { recursive: true, force: true })
})

async function quantized(t: ExecutionContext<{ directory: string }>, model: string, ...options: string[]) {
  const { directory } = t.context
  const output = join(directory, 'new.gguf')
  const args = ['quantize', model, output, '--threads', '2', ...options]
  const { code, stdout, stderr } = await runQuire(args, { cwd: directory })
  t.is(code, 0, stderr)
  t.regex(stdout, /new\.gguf: .*B\n$/)
  t.deepEqual(
    (await readdir(directory)).filter(name => name.includes('.gguf')),
    ['new.gguf'],
  )
  return output
}

async function greedy(options: CreateOptions, prompt: string | { promptTokenIds: number[] }, maxTokens: number) {
  await using llm = await LLM.create(options)
  const { outputs } = await llm.generate(prompt, { temperature: 0, maxTokens, ignoreEos: true })
  return { tokenIds: Array.from(outputs[0]?.tokenIds ?? []), text: outputs[0]?.text }
}

test('the new file gives the tokens and the text of the first', async t => {
  const output = await quantized(t, file, '--type', 'F32')
  const described = await runQuire(['info', output], { cwd: t.context.directory })
  t.regex(described.stdout, /formats +F32 \(\d+ tensors\)/)
  const golden = JSON.parse(await readFile(join(fixtures, 'gguf/golden.json'), 'utf8'))
  // Nothing is lost by widening, so the tokens are those of the blocks.
  const found = await greedy(
    { model: output, quantization: 'none', dtype: 'float32' },
    { promptTokenIds: golden.prompt_token_ids },
    golden.output_token_ids.length,
  )
  t.deepEqual(found.tokenIds, golden.output_token_ids)
  t.is(found.text?.trim(), golden.text.trim())
})

/** A tokenizer for folders that have none. */
const twoTokens = {
  model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  added_tokens: [],
}

/** Of each way in which files differ from checkpoints: names, orders of rows, gains, experts, rotary factors, fused projections. */
const converted = [
  ...['gpt2', 'granite', 'llama_bias', 'llama_rope_llama3', 'llama_sharded', 'mixtral', 'gemma3_vision'],
  ...['olmo3', 'phi3_longrope_long', 'qwen2_moe', 'qwen3_moe', 'starcoder2'],
  ...['cohere', 'cohere2', 'deepseek_v2', 'deepseek_v3', 'ernie4_5', 'exaone4', 'glm4', 'olmoe', 'phi', 'smollm3'],
  ...['stablelm', 'stablelm_parallel', 'glm4_moe', 'gpt_neox', 'gpt_neox_sequential', 'seed_oss'],
]
test('checkpoints as files give the tokens that transformers gives', async t => {
  const tools = await loadEmbeddedTools()
  const { directory } = t.context
  for (const name of converted) {
    const source = join(directory, name)
    await cp(join(fixtures, name), source, { recursive: true })
    await writeFile(join(source, 'tokenizer.json'), JSON.stringify(twoTokens))
    const output = join(directory, `${name}.gguf`)
    await tools.quantizeToGguf({ source, output, fileType: 'f32', pure: false, threads: 2 })
    const golden = JSON.parse(await readFile(join(fixtures, name, 'golden.json'), 'utf8'))
    await using llm = await LLM.create({ model: output, dtype: 'float32', quantization: 'none', loadTokenizer: false })
    for (const { prompt_token_ids: promptTokenIds, greedy_token_ids: expected } of golden.prompts) {
      const params = { temperature: 0, maxTokens: expected.length, ignoreEos: true, detokenize: false }
      const { outputs } = await llm.generate({ promptTokenIds }, params)
      t.deepEqual(Array.from(outputs[0]?.tokenIds ?? []), expected, name)
    }
  }
})

/** Fixtures that are read and have no form, or have none when their configuration says this too; and what the message names. */
const withoutForm: readonly (readonly [string, object, RegExp])[] = [
  ['deepseek_v2_lite', {}, /mscale: Some\(0\.707\), mscale_all_dim: Some\(0\.9\)/],
  ['deepseek_v3_halves', {}, /rotated in halves/],
  ['deepseek_v3', { moe_layer_freq: 2 }, /layers without experts behind/],
  ['deepseek_v3', { n_group: undefined }, /`n_group` where `config\.json` does not/],
  ['smollm3', { no_rope_layers: [1, 0, 1, 0] }, /every fourth/],
  ['phi', { hidden_act: 'relu' }, /`activation`/],
]
test('what files of an architecture cannot say is refused by name', async t => {
  const tools = await loadEmbeddedTools()
  for (const [index, [name, changes, message]] of withoutForm.entries()) {
    const source = join(t.context.directory, `${name}-${index}`)
    await cp(join(fixtures, name), source, { recursive: true })
    await writeFile(join(source, 'tokenizer.json'), JSON.stringify(twoTokens))
    const config = JSON.parse(await readFile(join(source, 'config.json'), 'utf8'))
    await writeFile(join(source, 'config.json'), JSON.stringify({ ...config, ...changes }))
    const output = join(t.context.directory, 'no.gguf')
    const quantization = { source, output, fileType: 'f32', pure: false, threads: 2 }
    const failure = await t.throwsAsync(tools.quantizeToGguf(quantization), { code: 'ERR_MODEL_UNSUPPORTED' }, name)
    t.regex(failure?.message ?? '', message)
    t.false(existsSync(output))
  }
})

const untitled = 'of a folder the file has ids, template and greedy text as quantising on load'
const missing = reasonWithoutWeights()
const withModel = missing === undefined ? test : test.skip
withModel(missing === undefined ? untitled : `${untitled} (SKIPPED: ${missing})`, async t => {
  const model = smollm2
  const output = await quantized(t, model, '--type', 'q8_0', '--pure')
  // A file's own dtype is bfloat16, the checkpoint's float32.
  const shared = { dtype: 'float32', maxModelLen: 512 } as const
  await using llm = await LLM.create({ ...shared, model: output })
  await using original = await LLM.create({ ...shared, model, quantization: 'q8_0' })
  for (const text of ['Once upon a time', ' Tom said: "Hi!"\n\n  é 你好 12345', '<|im_start|>user\n', '']) {
    t.deepEqual(await llm.tokenize(text), await original.tokenize(text))
  }
  const messages = [{ role: 'user' as const, content: 'Name three colours.' }]
  const params = { temperature: 0, maxTokens: 40 }
  const [found, expected] = [await llm.chat(messages, params), await original.chat(messages, params)]
  t.deepEqual(found.promptTokenIds, expected.promptTokenIds)
  t.deepEqual(found.outputs[0]?.tokenIds, expected.outputs[0]?.tokenIds)
  t.is(found.outputs[0]?.finishReason, expected.outputs[0]?.finishReason)
})

test('an importance matrix is collected over texts, and weighs errors', async t => {
  const { directory } = t.context
  const texts = Array.from({ length: 60 }, (_, day) => `On day ${day} Tom and the ${day} dogs went to the park.\n`)
  await writeFile(join(directory, 'texts.txt'), texts.join(''))
  const options = ['--texts', 'texts.txt', '--output', 'importance.gguf', '--chunk-size', '64', '--chunks', '4']
  const collected = await runQuire(['imatrix', file, ...options, '--threads', '2'], { cwd: directory })
  t.is(collected.code, 0, collected.stderr)
  t.regex(collected.stdout, /importance\.gguf: 35 matrices, 256 tokens\n$/)
  const tools = await loadEmbeddedTools()
  // The numbers of a file in Q4_0 are there already, so rounding is seen with those of a folder.
  const source = join(directory, 'llama')
  await cp(join(fixtures, 'llama_gqa'), source, { recursive: true })
  await writeFile(join(source, 'tokenizer.json'), JSON.stringify(twoTokens))
  const [imatrix, plain] = [join(directory, 'llama.imatrix.gguf'), join(directory, 'plain.gguf')]
  const weighted = join(directory, 'weighted.gguf')
  const shared = { source, fileType: 'q4_0', pure: true, threads: 2 }
  const tokenIds = Int32Array.from({ length: 64 }, (_, index) => (index * 7) % 50)
  t.is(await tools.collectImportance({ ...shared, output: imatrix, tokenIds, chunkTokens: 32, dataset: 'ids' }), 14)
  await tools.quantizeToGguf({ ...shared, output: plain })
  await tools.quantizeToGguf({ ...shared, output: weighted, imatrix })
  t.false((await readFile(plain)).equals(await readFile(weighted)))
  t.is((await greedy({ model: weighted, loadTokenizer: false }, { promptTokenIds: [1, 2, 3] }, 8)).tokenIds.length, 8)
  // Quantising on load makes the same weights, so the same numbers to the bit.
  const logprobs = async (options: CreateOptions) => {
    await using llm = await LLM.create({ ...options, dtype: 'float32', loadTokenizer: false })
    const params = { temperature: 0, maxTokens: 8, ignoreEos: true, detokenize: false, logprobs: 5 }
    const { outputs } = await llm.generate({ promptTokenIds: [1, 2, 3] }, params)
    return outputs[0]?.logprobs
  }
  const onLoad = { model: source, quantization: 'q4_0' }
  const expected = await logprobs({ model: weighted })
  t.is(expected?.length, 8)
  t.deepEqual(await logprobs({ ...onLoad, imatrix }), expected)
  t.deepEqual(await logprobs(onLoad), await logprobs({ model: plain }))
  t.notDeepEqual(await logprobs(onLoad), expected)
  const none = join(directory, 'none.gguf')
  for (const [options, message] of [
    [{ ...onLoad, imatrix: none }, /none\.gguf/],
    [{ ...onLoad, imatrix: plain }, /general\.type/],
    [{ ...onLoad, imatrix: join(directory, 'importance.gguf') }, /of another model/],
    [{ model: source, imatrix }, /q4_0, q4_k or q6_k/],
    [{ ...onLoad, quantization: 'int8', imatrix }, /q4_0, q4_k or q6_k/],
    [{ ...onLoad, quantization: 'q8_0', imatrix }, /q4_0, q4_k or q6_k/],
    [{ ...onLoad, imatrix: '' }, /not a path/],
  ] as const) {
    const failure = await t.throwsAsync(logprobs(options), { instanceOf: InvalidArgumentError })
    t.is(failure?.parameter, 'imatrix')
    t.regex(failure?.message ?? '', message)
  }
  const generated = ['generate', '--quantization', 'q8_0', '--imatrix', imatrix, '--prompt', 'a']
  const cli = await runQuire(generated, { cwd: directory })
  t.is(cli.code, 2, cli.stderr)
  t.regex(cli.stderr, /q4_0, q4_k or q6_k/)
  // Of another model, or none.
  const output = join(directory, 'other.gguf')
  for (const [wrong, message] of [
    [plain, /general\.type/],
    [join(directory, 'importance.gguf'), /of another model/],
    [join(directory, 'texts.txt'), /does not begin/],
    [join(directory, 'none.gguf'), /none\.gguf/],
  ] as const) {
    const failure = await t.throwsAsync(tools.quantizeToGguf({ ...shared, output, imatrix: wrong }))
    t.is((failure as { code?: string }).code, 'ERR_INVALID_ARGUMENT')
    t.regex(failure?.message ?? '', message)
    t.false(existsSync(output))
  }
  for (const fileType of ['q8_0', 'q5_1', 'q4_1', 'f16']) {
    const unused = await t.throwsAsync(tools.quantizeToGguf({ ...shared, output, fileType, imatrix }))
    t.is((unused as { code?: string }).code, 'ERR_INVALID_ARGUMENT')
    t.regex(unused?.message ?? '', /q4_0, q4_k_m and q6_k/)
  }
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['--texts', 'texts.txt', '--output', 'a.dat'], /\.gguf/],
    [['--texts', 'texts.txt', '--output', 'importance.gguf'], /--force/],
    [['--texts', 'none.txt', '--output', 'a.gguf'], /none\.txt/],
    [['--texts', 'texts.txt', '--output', 'a.gguf', '--chunk-size', '100000'], /fewer than a chunk/],
  ]
  await Promise.all(
    refusals.map(async ([args, message]) => {
      const { code, stderr } = await runQuire(['imatrix', file, ...args], { cwd: directory })
      t.is(code, 2, stderr)
      t.regex(stderr, message)
    }),
  )
})

const refused: readonly [string, readonly string[], number, RegExp][] = [
  ['no model', ['--type', 'q8_0'], 2, /Give the model/],
  ['no output', ['a.gguf', '--type', 'q8_0'], 2, /file to write/],
  ['no type', ['a.gguf', 'b.gguf'], 2, /--type/],
  ['an unknown type', ['a.gguf', 'b.gguf', '--type', 'q3_k'], 2, /q8_0, .*q4_0, got q3_k/],
  ['another ending', ['a.gguf', 'b.bin', '--type', 'q8_0'], 2, /\.gguf/],
  ['a file that is there', ['a.gguf', 'a.gguf', '--type', 'q8_0'], 2, /--force/],
  ['threads that are none', ['a.gguf', 'b.gguf', '--type', 'q8_0', '--threads', '0'], 2, /1 to/],
  ['a folder that is not there', ['a.gguf', 'c/b.gguf', '--type', 'q8_0'], 2, /b\.gguf cannot be written/],
  ['a file that is cut off', ['cut.gguf', 'b.gguf', '--type', 'q8_0'], 1, /cut\.gguf/],
  ['another kind of file', ['not.gguf', 'b.gguf', '--type', 'q8_0'], 1, /does not begin with `GGUF`/],
  ['a folder without a tokenizer', ['./llama', 'b.gguf', '--type', 'q8_0'], 1, /tokenizer\.json: the file is missing/],
  ['an architecture that has no form', ['./opt', 'b.gguf', '--type', 'q8_0'], 1, /models of the class OPTForCausalLM/],
]
for (const [title, args, expected, message] of refused) {
  test(`${title} is refused`, async t => {
    const { directory } = t.context
    for (const name of ['a.gguf', 'cut.gguf']) await copyFile(file, join(directory, name))
    await truncate(join(directory, 'cut.gguf'), 100_000)
    await writeFile(join(directory, 'not.gguf'), 'PK\x03\x04')
    await mkdir(join(directory, 'llama'))
    await cp(join(fixtures, 'llama_gqa'), join(directory, 'llama'), { recursive: true })
    await cp(join(fixtures, 'opt'), join(directory, 'opt'), { recursive: true })
    const { code, stderr } = await runQuire(['quantize', ...args], { cwd: directory })
    t.is(code, expected, stderr)
    t.regex(stderr, message)
    t.false(existsSync(join(directory, 'b.gguf')))
    t.false((await readdir(directory)).some(name => name.endsWith('.partial')))
  })
}
