// Packed weights in a folder: the next start maps them and gives the same log-probabilities; what cannot be read or written is told of
// once, and is no failure.

import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { type CreateOptions, InvalidArgumentError, LLM } from 'quire-llm'
import { runQuire } from '../cli/quire-command.js'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
const promptTokenIds = [1, 5, 9, 2, 7, 3, 4, 8]

let root = ''
test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'quire-packed-'))
})
test.after.always(() => rm(root, { recursive: true, force: true }))

async function logprobs(options: CreateOptions): Promise<unknown> {
  await using llm = await LLM.create({ loadTokenizer: false, threads: 2, ...options })
  const params = { temperature: 0, maxTokens: 8, ignoreEos: true, logprobs: 5, promptLogprobs: 2 }
  const { outputs, promptLogprobs } = await llm.generate({ promptTokenIds }, params)
  return { promptLogprobs, outputs: outputs.map(({ tokenIds, logprobs }) => ({ tokenIds, logprobs })) }
}

/** What the warnings say that come while `run` runs. */
async function warningsOf(run: () => Promise<unknown>): Promise<string[]> {
  const heard: string[] = []
  const listen = (warning: Error) => {
    if (warning.name === 'QuireWarning') heard.push(warning.message)
  }
  process.on('warning', listen)
  try {
    await run()
    await new Promise(resolve => setImmediate(resolve))
  } finally {
    process.off('warning', listen)
  }
  return heard
}

const cases: readonly (readonly [string, CreateOptions])[] = [
  ['safetensors', { model: fixture('llama_gqa') }],
  ['a GGUF file', { model: fixture('gguf/stories260K-Q4_0.gguf') }],
  ['quantised on load', { model: fixture('llama_gqa'), quantization: 'q8_0' }],
  ['experts', { model: fixture('mixtral'), dtype: 'bfloat16' }],
]

for (const [name, options] of cases) {
  test.serial(`${name}: first and second start are as without`, async t => {
    const packedWeightsCache = join(root, name, 'folder')
    const expected = await logprobs(options)
    const warnings = await warningsOf(async () => {
      t.deepEqual(await logprobs({ ...options, packedWeightsCache }), expected)
      const written = readdirSync(packedWeightsCache)
      t.is(written.length, 1)
      const file = join(packedWeightsCache, written[0] as string)
      const { ino } = statSync(file)
      t.deepEqual(await logprobs({ ...options, packedWeightsCache }), expected)
      t.deepEqual(readdirSync(packedWeightsCache), written)
      t.is(statSync(file).ino, ino, 'it is not written again')
    })
    t.deepEqual(warnings, [])
  })
}

test.serial('a file that was cut off is told of and replaced', async t => {
  const packedWeightsCache = join(root, 'cut')
  const options = { model: fixture('llama_gqa'), packedWeightsCache }
  const expected = await logprobs(options)
  const file = join(packedWeightsCache, readdirSync(packedWeightsCache)[0] as string)
  const whole = readFileSync(file)
  truncateSync(file, whole.length - 1)
  const warnings = await warningsOf(async () => t.deepEqual(await logprobs(options), expected))
  t.is(warnings.length, 1)
  t.regex(warnings[0] ?? '', /packed anew: .*is shorter than its header says/)
  t.deepEqual(readFileSync(file), whole)
})

test.serial('a folder that cannot be made is told of once', async t => {
  const file = join(root, 'file')
  writeFileSync(file, '')
  const options = { model: fixture('llama_gqa') }
  const expected = await logprobs(options)
  const packedWeightsCache = join(file, 'folder')
  const warnings = await warningsOf(async () =>
    t.deepEqual(await logprobs({ ...options, packedWeightsCache }), expected),
  )
  t.is(warnings.length, 1)
  t.regex(warnings[0] ?? '', /not kept for the next start: cannot write /)
})

test.serial('a command that ends at once has written the file', async t => {
  const folder = join(root, 'command')
  mkdirSync(folder)
  const { code, stderr } = await runQuire(
    ['generate', '--packed-weights-cache', 'packed', '--prompt', 'a', '--max-tokens', '1'],
    { cwd: folder },
  )
  t.is(code, 0, stderr)
  t.regex(readdirSync(join(folder, 'packed')).join(), /^[0-9a-f]{32}\.packed$/)
})

test('what is no path is refused', async t => {
  const options = { model: fixture('llama_gqa'), packedWeightsCache: '' }
  const failure = await t.throwsAsync(LLM.create(options), { instanceOf: InvalidArgumentError })
  t.is(failure?.parameter, 'packedWeightsCache')
})
