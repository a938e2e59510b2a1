// GGUF files as models: by path and by folder, with their own tokenizer and template, and what is said of files that cannot be.

import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { type EngineError, type ErrorCode, LLM } from 'quire-llm'
import { runQuire } from '../cli/quire-command.js'
import { sharedModels, withoutSharedModels } from '../parity/golden-model.js'

const test = anyTest as TestFn<{ directory: string }>
const fixtures = fileURLToPath(new URL('../fixtures/gguf/', import.meta.url))
const file = join(fixtures, 'stories260K-Q4_0.gguf')

interface Golden {
  readonly prompt_token_ids: number[]
  readonly output_token_ids: number[]
  readonly text: string
}
const golden = JSON.parse(readFileSync(join(fixtures, 'golden.json'), 'utf8')) as Golden

async function checkGolden(t: ExecutionContext, model: string): Promise<void> {
  await using llm = await LLM.create({ model, quantization: 'none', dtype: 'float32' })
  const params = { temperature: 0, maxTokens: golden.output_token_ids.length, ignoreEos: true }
  const output = await llm.generate({ promptTokenIds: golden.prompt_token_ids }, params)
  t.deepEqual(Array.from(output.outputs[0]?.tokenIds ?? []), golden.output_token_ids)
  t.is(output.outputs[0]?.text.trim(), golden.text.trim())
}

test.beforeEach(async t => {
  t.context.directory = await mkdtemp(join(tmpdir(), 'quire-gguf-'))
})
test.afterEach.always(async t => {
  await rm(t.context.directory, { recursive: true, force: true })
})

test('a file gives the golden tokens of its dequantised weights, and their text', async t => {
  await checkGolden(t, file)
})

test('a folder with one file is the model, with two it is not', async t => {
  const { directory } = t.context
  for (const name of ['a.gguf', 'mmproj-a.gguf']) await copyFile(file, join(directory, name))
  await checkGolden(t, directory)
  await copyFile(file, join(directory, 'b.gguf'))
  const error = await t.throwsAsync(LLM.create({ model: directory }), { code: 'ERR_MODEL_NOT_FOUND' })
  t.regex(error?.message ?? '', /2 GGUF files .*: a\.gguf, b\.gguf/)
})

const checkpoint = sharedModels === undefined ? undefined : join(sharedModels, 'stories260K')
const untitled = 'ids and texts are those of the checkpoint that was converted'
const withCheckpoint = checkpoint === undefined ? test.skip : test
withCheckpoint(checkpoint === undefined ? `${untitled} (SKIPPED: ${withoutSharedModels})` : untitled, async t => {
  await using llm = await LLM.create({ model: file })
  await using original = await LLM.create({ model: checkpoint as string })
  for (const text of ['Once upon a time', ' Tom said: "Hi!"\n\n  é 你好', '']) {
    const ids = await original.tokenize(text)
    t.deepEqual(await llm.tokenize(text), ids)
    t.is(llm.detokenize(ids), original.detokenize(ids))
  }
})

test('the command says what is in a file', async t => {
  const { code, stdout } = await runQuire(['info', file], { cwd: t.context.directory })
  t.is(code, 0)
  t.regex(stdout, /architecture +LlamaForCausalLM/)
  t.regex(stdout, /formats +Q4_0 \(\d+ tensors\), F32/)
  t.regex(stdout, /tokenizer +llama/)
})

const broken: readonly [string, (directory: string) => Promise<void>, ErrorCode, RegExp][] = [
  ['another file', d => writeFile(join(d, 'm.gguf'), 'PK\x03\x04'), 'ERR_MODEL_INVALID', /does not begin with `GGUF`/],
  ['an empty file', d => writeFile(join(d, 'm.gguf'), ''), 'ERR_MODEL_INVALID', /ends after 0 bytes/],
  [
    'an older version',
    d => writeFile(join(d, 'm.gguf'), Buffer.from('GGUF\x01\0\0\0'.padEnd(64, '\0'), 'latin1')),
    'ERR_MODEL_UNSUPPORTED',
    /version is 1; supported are 2 and 3/,
  ],
  ['no file', async () => {}, 'ERR_MODEL_NOT_FOUND', /m\.gguf/],
]
for (const [what, write, code, message] of broken) {
  test(`${what} is a typed error`, async t => {
    await write(t.context.directory)
    const error = await t.throwsAsync(LLM.create({ model: join(t.context.directory, 'm.gguf') }))
    t.is((error as EngineError).code, code)
    t.regex(error?.message ?? '', message)
  })
}

test('an architecture that is not read is named, with those that are', async t => {
  const path = join(t.context.directory, 'm.gguf')
  const text = (value: string) => Buffer.concat([number(Buffer.byteLength(value)), Buffer.from(value)])
  const header = [Buffer.from('GGUF\x03\0\0\0', 'latin1'), number(0), number(1)]
  await writeFile(
    path,
    Buffer.concat([...header, text('general.architecture'), Buffer.from([8, 0, 0, 0]), text('mamba')]),
  )
  const error = await t.throwsAsync(LLM.create({ model: path }))
  t.is((error as EngineError).code, 'ERR_MODEL_UNSUPPORTED')
  t.regex(error?.message ?? '', /`mamba` is not supported; supported are command-r, cohere2, .*qwen3moe/)
})

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
