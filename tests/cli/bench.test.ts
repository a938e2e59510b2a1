// `quire bench` as a process: what it prints and writes, and what it refuses.

import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { main } from '../../ts/src/cli/main.js'
import { startFakeServer } from '../bench/fake-openai-server.js'
import { runQuire } from './quire-command.js'

const folder = () => mkdtemp(join(tmpdir(), 'quire-bench-cli-'))

async function bench(t: ExecutionContext, args: readonly string[], code = 0, cwd?: string) {
  const outcome = await runQuire(['bench', ...args], { cwd: cwd ?? (await folder()) })
  t.is(outcome.code, code, outcome.stderr)
  return outcome
}

const labels = [
  'Successful requests:',
  'Failed requests:',
  'Maximum request concurrency:',
  'Benchmark duration (s):',
  'Total input tokens:',
  'Total generated tokens:',
  'Request throughput (req/s):',
  'Request goodput (req/s):',
  'Output token throughput (tok/s):',
  'Peak output token throughput (tok/s):',
  'Peak concurrent requests:',
  'Total token throughput (tok/s):',
  'Mean TTFT (ms):',
  'Median TTFT (ms):',
  'P50 TTFT (ms):',
  'P99 TTFT (ms):',
  'Mean E2EL (ms):',
]

test('serve: levels of concurrency, the printed blocks, result files and a plot', async t => {
  const server = await startFakeServer()
  t.teardown(server.close)
  const place = await folder()
  const args = ['serve', '--port', `${server.port}`, '--num-prompts', '8', '--input-len', '9', '--output-len', '4']
  const { stdout } = await bench(
    t,
    [
      ...args,
      ...['--max-concurrency', '1', '2', '--goodput', 'ttft:100000', 'e2el:100000', '--metadata', 'a=b', 'c=d'],
      ...['--percentile-metrics', 'ttft,e2el', '--metric-percentiles', '50,99', '--temperature', '0'],
      ...['--save-result', '--save-detailed', '--result-dir', 'results', '--plot', 'plot.svg', '--label', 'mine'],
    ],
    0,
    place,
  )
  const blocks = stdout.split('============ Serving Benchmark Result ============').slice(1)
  t.is(blocks.length, 2)
  for (const block of blocks) for (const label of labels) t.true(block.includes(`\n${label.padEnd(40)} `), label)
  t.true(server.seen.every(({ body }) => body.temperature === 0 && body.ignore_eos === true && body.max_tokens === 4))
  const files = (await readdir(join(place, 'results'))).sort()
  t.regex(files.join(' '), /^mine-infqps-concurrency1-fake-model-\d{8}-\d{6}\.json mine-infqps-concurrency2-\S+$/)
  const result = JSON.parse(await readFile(join(place, 'results', files[1] as string), 'utf8'))
  t.like(result, {
    backend: 'openai',
    endpoint_type: 'openai',
    label: 'mine',
    model_id: 'fake-model',
    num_prompts: 8,
    a: 'b',
    c: 'd',
    request_rate: 'inf',
    burstiness: 1,
    max_concurrency: 2,
    completed: 8,
    failed: 0,
    total_input_tokens: 56,
    total_output_tokens: 32,
    connections_reset: 0,
  })
  for (const key of ['duration', 'request_goodput', 'mean_ttft_ms', 'std_ttft_ms', 'p50_e2el_ms', 'p99_e2el_ms']) {
    t.is(typeof result[key], 'number', key)
  }
  t.is(result.mean_itl_ms, undefined)
  t.deepEqual([result.ttfts.length, result.itls[0].length, result.errors[0]], [8, 3, ''])
  t.is(result.generated_texts[0], ' token0 token1 token2 token3')
  t.regex(await readFile(join(place, 'plot.svg'), 'utf8'), /^<svg .*throughput/s)
})

test('serve: results are added to a file, without details, and failures end with 1', async t => {
  const server = await startFakeServer(index => (index < 2 ? {} : { status: 500 }))
  t.teardown(server.close)
  const place = await folder()
  const args = ['serve', '--base-url', `http://127.0.0.1:${server.port}`, '--num-prompts', '2', '--output-len', '2']
  const more = ['--append-result', '--result-filename', 'all.json', '--backend', 'openai-chat', '--model', 'm']
  await bench(t, [...args, ...more], 0, place)
  const { stderr } = await bench(t, [...args, ...more], 1, place)
  t.regex(stderr, /Error 0: HTTP 500: refused with 500/)
  const results = (await readFile(join(place, 'all.json'), 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    results.map(({ completed, failed }) => [completed, failed]),
    [
      [2, 0],
      [0, 2],
    ],
  )
  t.is(results[0].ttfts, undefined)
  t.is(server.seen[0]?.path, '/v1/chat/completions')
})

test('latency and throughput, in this process', async t => {
  const place = await folder()
  const small = ['--input-len', '8', '--output-len', '4']
  const latency = await bench(
    t,
    [
      'latency',
      ...small,
      '--batch-size',
      '2',
      '--num-iters',
      '3',
      '--num-iters-warmup',
      '1',
      '--output-json',
      'l.json',
    ],
    0,
    place,
  )
  t.regex(
    latency.stdout,
    /^Warming up\.\.\.\nAvg latency: \d\S* seconds\nStd latency: \S+ seconds\n(\d+% percentile latency: \S+ seconds\n){6}One stream, prompt of 479: \S+ tokens\/s, \d+% of .+\nOne stream, decode: \S+ tokens\/s, \d+% of .+\n$/,
  )
  const saved = JSON.parse(await readFile(join(place, 'l.json'), 'utf8'))
  t.is(saved.latencies.length, 3)
  t.deepEqual(Object.keys(saved.percentiles), ['10', '25', '50', '75', '90', '99'])
  const share = saved.machine_share
  t.true([share.prompt_share, share.decode_share].every(of => of > 0 && Number.isFinite(of)))
  // By hand, of the bundled model: 4 layers, and the embedding as output matrix, all in bfloat16.
  const layers = 4 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 704)
  t.deepEqual(share.operations_per_token, { float32: 0, bfloat16: 2 * layers, int8: 0 })
  t.deepEqual(share.operations_per_logits_row, { float32: 0, bfloat16: 2 * 2048 * 256, int8: 0 })
  t.is(share.weight_bytes_per_token, 2 * (layers + 2048 * 256))
  t.is(
    share.decode_share,
    (share.weight_bytes_per_token * share.decode_tokens_per_second) / share.read_bytes_per_second,
  )
  for (const mode of [[], ['--async-engine', '--disable-detokenize', '--num-warmups', '1']]) {
    const { stdout } = await bench(
      t,
      ['throughput', ...small, ...mode, '--num-prompts', '5', '--output-json', 't.json'],
      0,
      place,
    )
    t.regex(
      stdout,
      /Throughput: \S+ requests\/s, \S+ total tokens\/s, \S+ output tokens\/s\nTotal num prompt tokens: {2}40\nTotal num output tokens: {2}20\nOne stream, .+\nOne stream, .+\n$/,
    )
    t.like(JSON.parse(await readFile(join(place, 't.json'), 'utf8')), { num_requests: 5, total_num_tokens: 60 })
  }
})

const misuses: readonly [string, RegExp][] = [
  ['', /Which benchmark\? latency, throughput, serve\./],
  ['fly', /no benchmark 'fly'/],
  ['serve --backend tgi', /backend must be one of openai, openai-chat, vllm/],
  ['serve --max-concurrency 0', /--max-concurrency must be at least 1/],
  ['serve --num-prompts many', /--num-prompts needs a whole number/],
  ['serve --request-rate 0', /request rate must be above 0/],
  ['serve --burstiness -1', /Burstiness must be above 0/],
  ['serve --request-rate fast', /--request-rate needs a number/],
  ['serve --goodput speed:3', /--goodput needs ttft:MS/],
  ['serve --metadata x', /--metadata needs KEY=VALUE/],
  ['serve --header x', /--header needs KEY=VALUE/],
  ['serve --extra-body [1]', /--extra-body needs a JSON object/],
  ['serve --endpoint v1', /--endpoint needs a path/],
  ['serve --base-url localhost', /base URL must be one of http/],
  ['serve --percentile-metrics speed', /percentile-metrics must be one of/],
  ['serve --metric-percentiles 101', /metric-percentiles must be in \[0, 100\]/],
  ['serve --ramp-up-strategy linear', /needs --ramp-up-start-rps/],
  ['serve --ramp-up-start-rps 1', /go with --ramp-up-strategy/],
  ['serve --random-range-ratio 1', /random-range-ratio must be in \[0, 1\)/],
  ['serve --dataset-name hf', /dataset-name must be one of/],
  ['serve --model m --tokenizer /nowhere', /nowhere/],
  ['serve --model m --dataset-name sonnet', /needs a file/],
  ['throughput --backend hf', /backend must be one of quire, vllm/],
  ['throughput --input-len 100k --num-prompts 1', /more than the model's length|at most/],
  ['latency --input-len 1K --output-len 1K', /more than the model's length/],
]

for (const [args, message] of misuses) {
  test(`called wrongly: bench ${args}`, async t => {
    let errors = ''
    const stderr = new PassThrough().setEncoding('utf8').on('data', text => {
      errors += text
    })
    const streams = { stdin: new PassThrough(), stdout: new PassThrough().resume(), stderr }
    const code = await main(['bench', ...args.split(' ').filter(Boolean)], streams)
    t.true(code === 2 || code === 1)
    t.regex(errors, message)
    t.notRegex(errors, /\n\s+at /, 'no stack')
  })
}

test('help of each', async t => {
  for (const name of ['latency', 'throughput', 'serve']) {
    t.regex((await bench(t, [name, '--help'])).stdout, new RegExp(`^Usage: quire bench ${name} `))
  }
  t.regex((await bench(t, ['--help'])).stdout, /^Usage: quire bench <benchmark>/)
})
