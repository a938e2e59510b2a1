// The `quire` command as a process: what it prints, where, and its exit codes.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const quire = fileURLToPath(new URL('../../ts/bin/quire.js', import.meta.url))

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command; `interruptAfter` sends it Ctrl-C once its output has that text. */
function run(args: readonly string[], input = '', interruptAfter?: RegExp): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [quire, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let interrupted = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (interruptAfter?.test(stdout) && !interrupted) {
        interrupted = child.kill('SIGINT')
      }
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject).on('close', code => resolve({ code, stdout, stderr }))
    child.stdin.end(input)
  })
}

test('generate streams the text of a prompt', async t => {
  const { code, stdout } = await run([
    'generate',
    '--prompt',
    'Once upon a time',
    '--max-tokens',
    '12',
    '--temperature',
    '0',
    '--echo',
  ])
  t.is(code, 0)
  t.regex(stdout, /^Once upon a time\S?.+\n$/s)
})

test('the tokens that fit into the KV cache are told at start, on standard error', async t => {
  const { stderr } = await run([
    'generate',
    '--prompt',
    'x',
    '--max-tokens',
    '1',
    '--num-blocks',
    '101',
    '--block-size',
    '8',
  ])
  t.regex(stderr, /KV cache for 800 tokens, 1 sequences of full length/)
})

test('generate --json prints one output per line, in prompt order', async t => {
  const args = [
    'generate',
    '--json',
    '--max-tokens',
    '6',
    '--temperature',
    '0',
    '--logprobs',
    '2',
    '--prompt',
    'One day',
    '--prompt',
    'There was a',
  ]
  const { code, stdout } = await run(args)
  t.is(code, 0)
  const outputs = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { prompt: string; outputs: { tokenIds: number[]; logprobs: unknown[] }[] })
  t.deepEqual(
    outputs.map(({ prompt }) => prompt),
    ['One day', 'There was a'],
  )
  for (const {
    outputs: [completion],
  } of outputs) {
    t.is(completion?.tokenIds.length, 6)
    t.is(completion?.logprobs.length, 6)
  }
})

test('generate takes one prompt per line of standard input', async t => {
  const { code, stdout } = await run(
    ['generate', '--json', '--max-tokens', '3', '--seed', '1', '--n', '2'],
    'One day\n\nThere was a\n',
  )
  t.is(code, 0)
  t.is(stdout.trim().split('\n').length, 2)
})

test('a negative number is a value', async t => {
  const { code, stderr } = await run(['generate', '--prompt', 'x', '--temperature', '-1'])
  t.is(code, 2)
  t.regex(stderr, /temperature must be in \[0, 2\], got -1/)
})

const usage: readonly (readonly string[])[] = [
  [],
  ['sing'],
  ['generate', '--nonsense'],
  ['generate', '--prompt', 'x', '--max-tokens', 'many'],
  ['generate', '--prompt', 'x', '--n', '0'],
  ['generate', '--prompt', 'x', '--top-p', '0'],
  ['generate', 'stray'],
]

for (const args of usage) {
  test(`called wrongly: quire ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await run(args)
    t.is(code, 2)
    t.is(stdout, '')
    t.true(stderr.length > 0)
    t.notRegex(stderr, /\n\s+at /)
  })
}

test('a failure exits with 1 and its code', async t => {
  const { code, stderr } = await run(['generate', '--model', '/nowhere', '--prompt', 'x'])
  t.is(code, 1)
  t.regex(stderr, /ERR_MODEL_NOT_FOUND/)
})

test('Ctrl-C ends a generation with 130', async t => {
  const { code } = await run(['generate', '--prompt', 'Once', '--max-tokens', '400', '--ignore-eos'], '', /\S/)
  t.is(code, 130)
})

test('chat answers, remembers and ends', async t => {
  const { code, stdout } = await run(
    ['chat', '--temperature', '0', '--max-tokens', '30'],
    'Hello!\n/clear\nHello!\n/exit\n',
  )
  t.is(code, 0)
  const answers = stdout.trim().split('\n')
  t.is(answers.length, 2)
  t.is(answers[0], answers[1])
})

test('info names version, kernels and frameworks', async t => {
  const { code, stdout } = await run(['info'])
  t.is(code, 0)
  t.regex(stdout, /quire +\d+\.\d+\.\d+/)
  t.regex(stdout, /candle .*available on cpu:0/)
  t.regex(stdout, /kernels/)
})

test('help and version', async t => {
  t.regex((await run(['--help'])).stdout, /generate/)
  t.regex((await run(['generate', '--help'])).stdout, /--max-num-batched-tokens N/)
  t.regex((await run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('a reader that leaves early ends generate and chat quietly', async t => {
  for (const args of [
    ['generate', '--prompt', 'Once upon a time', '--max-tokens', '400', '--ignore-eos'],
    ['chat', '--max-tokens', '400', '--ignore-eos'],
  ]) {
    const child = spawn(process.execPath, [quire, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdout.once('data', () => child.stdout.destroy())
    child.stdin.end('Hi\n')
    const code = await new Promise<number | null>(resolve => child.on('close', resolve))
    t.is(code, 0)
    t.regex(stderr, /^quire: .* at once\n$/)
  }
})
