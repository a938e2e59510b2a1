// Who this plugin is, whether it can run in a host, and how it is opened there.

import {
  type FrameworkPlugin,
  InvalidArgumentError,
  type OpenedFramework,
  type OpenOptions,
  type Probe,
  type RunnerCapabilities,
  SPEC_VERSION,
} from 'quire-llm/plugin'
import type { CpuFacts } from '../native/native.js'
import { CandleFramework } from './candle-framework.js'
import type { CandleHost } from './candle-host.js'
import { CandleRunner } from './candle-runner.js'
import { cpu } from './host-tensor.js'
import type { Native } from './native.js'
import { unwrap } from './outcome.js'

/** candle and Quire's own kernels on the CPU of a host. */
export function candlePlugin(host: CandleHost): FrameworkPlugin {
  return {
    specVersion: SPEC_VERSION,
    name: 'candle',
    priority: 0,
    probe: () => probe(host),
    checkConfig: async (text, label) => {
      unwrap((await host.loadNative()).checkModelConfig(text, label))
    },
    open: options => open(host, options),
  }
}

async function probe({ loadNative, parallelism }: CandleHost): Promise<Probe> {
  try {
    const facts = (await loadNative()).cpuFacts()
    return {
      available: true,
      version: facts.version,
      devices: [cpu],
      capabilities: capabilitiesOf(facts),
      facts: {
        'cpu features': facts.features.join(' ') || 'none that the kernels look at',
        kernels: `${facts.kernels[0]} (can also run: ${[...facts.kernels.slice(1), 'reference'].join(', ')})`,
        threads: String(parallelism),
      },
    }
  } catch (error) {
    return { available: false, devices: [], reason: (error as Error).message }
  }
}

/** @throws NativeBindingError; InvalidArgumentError for a QUIRE_CPU that names no kernels of this CPU. */
async function open(host: CandleHost, { env }: OpenOptions): Promise<OpenedFramework> {
  const native = await host.loadNative()
  const kernels = forcedKernels(native, env.QUIRE_CPU)
  const capabilities = capabilitiesOf(native.cpuFacts())
  const { computeThreads, keepPackedWeights } = host
  return {
    framework: new CandleFramework(native, host.memory),
    createRunner: async target =>
      new CandleRunner(native, target, {
        capabilities,
        kernels,
        threads: target.threads,
        computeThreads,
        keepPackedWeights,
      }),
    close: async () => {},
  }
}

function capabilitiesOf({
  architectures,
  quantizations,
  imatrix,
  packedWeightsCache,
  kvCacheDtypes,
}: CpuFacts): RunnerCapabilities {
  return {
    devices: ['cpu'],
    dtypes: ['float32', 'bfloat16'],
    architectures,
    quantizations,
    imatrix,
    packedWeightsCache,
    kvCacheDtypes,
    weightFormats: ['gguf'],
    blockSizes: 'any',
    deviceSampling: true,
    pooling: true,
  }
}

function forcedKernels(native: Native, asked: string | undefined): string | undefined {
  if (asked === undefined || asked === '') return undefined
  const choices = [...native.cpuFacts().kernels, 'reference']
  if (!choices.includes(asked)) {
    throw new InvalidArgumentError('QUIRE_CPU', `QUIRE_CPU must be one of ${choices.join(', ')} on this CPU.`, asked)
  }
  return asked
}
