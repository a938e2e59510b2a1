// What this machine can do at its best, and how near the kernels come with weights of some formats: for `quire info --kernels`.

import { availableParallelism } from 'node:os'
import { type KernelMeasurement, loadEmbeddedTools } from '../plugin/embedded-tools.js'

/** What people run, where no model says what it is in. */
const USUAL_FORMATS = ['bfloat16', 'float32', 'int8', 'Q8_0', 'Q4_0', 'Q4_K']

/** With the formats of a GGUF file, as `describeModel` has them. @throws what `measureKernels` throws. */
export async function measuredKernels(
  facts: Readonly<Record<string, unknown>> | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<KernelMeasurement & { readonly threads: number }> {
  const threads = availableParallelism()
  const tools = await loadEmbeddedTools()
  const formats =
    typeof facts?.formats === 'object' && facts.formats !== null ? Object.keys(facts.formats) : USUAL_FORMATS
  const kernels = env.QUIRE_CPU
  const asked = kernels === undefined || kernels === '' ? { threads, formats } : { threads, formats, kernels }
  return { threads, ...(await tools.measureKernels(asked)) }
}

/** The measurement in lines. */
export function kernelLines(found: KernelMeasurement & { readonly threads: number }): string[] {
  const row = (name: string, ...columns: string[]): string =>
    `  ${name.padEnd(16)} ${columns.map(column => column.padStart(10)).join(' ')}`.trimEnd()
  const limits: readonly [string, number, string][] = [
    ['memory read', found.readBytes, 'GB/s'],
    ['float32', found.float32Operations, 'Gop/s'],
    ['bfloat16', found.bfloat16Operations, 'Gop/s'],
    ['int8', found.int8Operations, 'Gop/s'],
  ]
  const share = (of: number): string => `${(100 * of).toFixed(0)} %`
  return [
    `this machine, with the kernels ${found.kernels} on ${found.threads} threads`,
    ...limits.map(([name, rate, unit]) => row(name, (rate / 1e9).toFixed(1), unit)),
    'shares of it',
    row('weights', 'decode', 'prefill'),
    ...found.formats.map(({ format, decode, prefill }) => row(format, share(decode), share(prefill))),
    '  decode: one token, of the rate at which memory is read; prefill: 512 tokens, of the operations of the type.',
  ]
}
