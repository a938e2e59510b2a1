// Flags that vLLM has and `quire serve` does not: which of them change nothing here, and what to do instead of the others.

import { UsageError } from './usage-error.js'

/** Flags without a value that ask for what is so anyway, or for what has no meaning here. */
const harmless = new Set([
  'trust-remote-code', // no code of a model is ever run
  'async-scheduling',
  'no-async-scheduling',
  'disable-log-requests',
  'enable-server-load-tracking',
  'disable-frontend-multiprocessing',
  'disable-custom-all-reduce',
  'use-tqdm-on-load',
  'no-use-tqdm-on-load',
])

/** Flags with a value of which only some can be. */
const fixed: Readonly<Record<string, readonly string[]>> = {
  'pipeline-parallel-size': ['1'],
  'data-parallel-size': ['1'],
  'api-server-count': ['1'],
  'tokenizer-mode': ['auto', 'hf', 'fast'],
  'load-format': ['auto', 'safetensors'],
  'config-format': ['auto', 'hf'],
  task: ['auto', 'generate'],
  runner: ['auto', 'generate'],
  'distributed-executor-backend': ['mp', 'uni'],
  'guided-decoding-backend': ['auto', 'guidance'],
  'structured-outputs-backend': ['auto', 'guidance'],
  'swap-space': ['0', '4'],
}

/** What to do instead. */
const instead: Readonly<Record<string, string>> = {
  'enable-lora': 'Adapters are not served: merge them into the weights.',
  'lora-modules': 'Adapters are not served: merge them into the weights.',
  middleware: 'Mount createHandler of quire-llm/server in an application of your own instead.',
  'tool-parser-plugin': 'Parsers are built in; --tool-call-parser names one.',
  'enable-ssl-refresh': 'Start the server again when its certificate changes.',
  headless: 'There is one process, with its server.',
  grpc: 'There is no gRPC.',
  'log-config-file': 'Logs are JSON lines on standard error; --log-level says how many.',
  'otlp-traces-endpoint':
    'Start node with an OpenTelemetry SDK that exports; the server uses its API where it is there.',
  'max-num-batched-encoder-input-tokens': 'There are no multimodal models.',
  'limit-mm-per-prompt': 'There are no multimodal models.',
  'cpu-offload-gb': 'Weights stay where the framework puts them.',
  'kv-transfer-config': 'KV caches are not handed on.',
  'kv-events-config': 'There are no events of the KV cache.',
  'compilation-config': 'The framework decides; --enforce-eager compiles nothing.',
  'max-loras': 'Adapters are not served.',
  'code-revision': 'No code of a model is ever run.',
  'stream-interval': 'Requests may ask for it: stream_interval.',
}

/** All of them; none is one that `quire serve` has. */
export const foreignFlags: readonly string[] = [...harmless, ...Object.keys(fixed), ...Object.keys(instead)]

/** What is to be done with a flag that has no row: nothing, with or without its value. @throws UsageError. */
export function passOver(name: string, value: string | undefined, rowNames: readonly string[]): 'flag' | 'value' {
  if (harmless.has(name)) return 'flag'
  const values = fixed[name]
  if (values !== undefined) {
    if (value !== undefined && values.includes(value)) return 'value'
    throw new UsageError(`--${name} can only be ${values.join(' or ')} here, got '${value ?? 'nothing'}'.`)
  }
  const hint = instead[name]
  if (hint !== undefined) throw new UsageError(`--${name} is a flag of vLLM that Quire does not have. ${hint}`)
  const near = nearest(name, rowNames)
  throw new UsageError(
    `There is no option --${name}.${near === undefined ? '' : ` Did you mean --${near}?`} \`quire serve --help\` lists all.`,
  )
}

/** The name that fewest changes of a letter lead to, if they are few. */
function nearest(name: string, others: readonly string[]): string | undefined {
  const ranked = others.map(other => ({ other, distance: editDistance(name, other) }))
  const best = ranked.toSorted((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= Math.max(2, name.length / 4) ? best.other : undefined
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      current.push(
        Math.min(
          (previous[column] as number) + 1,
          (current[column - 1] as number) + 1,
          (previous[column - 1] as number) + (isSame ? 0 : 1),
        ),
      )
    }
    previous = current
  }
  return previous[b.length] as number
}
