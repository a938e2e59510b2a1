// The fake framework of the worker's own tests, in a process: opened as the engine opens a plugin, brought up as it does.

import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import {
  type BatchLimits,
  type FrameworkPlugin,
  InputBatch,
  type ModelInfo,
  type ModelRunner,
  type OpenedFramework,
  type OpenOptions,
} from 'quire-llm/plugin'
import { definePythonPlugin, type PythonPluginDefinition } from '../../plugins/_python-worker/src/index.js'
import { loadNative, shareMemory } from '../../ts/src/binding/node.js'
import { allocateKvCache } from '../../ts/src/executor/kv-cache.js'
import { type BatchRow, buildInputBatch } from '../../ts/src/testing/batch-builder.js'
import { MarkedProcesses } from './marked-processes.js'
import { python } from './python.js'

export const cpu = { kind: 'cpu', index: 0 } as const
export const fixture = fileURLToPath(new URL('../fixtures/llama_gqa', import.meta.url))
export const BLOCK_SIZE = 4

const limits: BatchLimits = {
  maxNumSeqs: 4,
  maxNumBatchedTokens: 32,
  maxModelLen: 32,
  maxLogitsRows: 4,
  blockSize: BLOCK_SIZE,
}

/** The plugin, or one with other facts. */
export function fakePlugin(differences: Partial<PythonPluginDefinition> = {}): FrameworkPlugin {
  return definePythonPlugin({
    name: 'fake',
    priority: 1,
    pythonPath: new URL('../../plugins/_python-worker/python/tests/', import.meta.url),
    module: 'quire_fake',
    distribution: 'numpy',
    versions: { atLeast: '1', below: '3' },
    capabilities: {
      devices: ['cpu'],
      dtypes: ['float32'],
      architectures: ['LlamaForCausalLM'],
      quantizations: [],
      blockSizes: 'any',
      deviceSampling: false,
    },
    ...differences,
  })
}

/** A batch as the plugin's own copy of the contract has it. */
export function batchOf(rows: readonly BatchRow[], stepId = 7): InputBatch {
  return new InputBatch(buildInputBatch(rows, { blockSize: BLOCK_SIZE, stepId }).words)
}

type Variables = Readonly<Record<string, string>>

/** A worker with a model, ready for steps. */
export interface ReadyWorker {
  readonly runner: ModelRunner
  readonly model: ModelInfo
  /** Runs the tokens as one new sequence, from its first block on. Resolves to the id that it says, by argmax. */
  step(tokenIds: readonly number[], stepId?: number): Promise<number>
}

export class FakeWorker {
  readonly processes: MarkedProcesses
  readonly opened: OpenedFramework

  private constructor(opened: OpenedFramework, processes: MarkedProcesses) {
    this.opened = opened
    this.processes = processes
  }

  /** Closed when the test is over, and nothing of it may be left. */
  static async open(
    t: ExecutionContext,
    variables: Variables = {},
    share?: OpenOptions['shareMemory'],
  ): Promise<FakeWorker> {
    const processes = new MarkedProcesses()
    const env = { ...process.env, QUIRE_PYTHON: python, ...processes.env, ...variables }
    const native = await loadNative()
    const ofEngine = (byteLength: number) => shareMemory(native, byteLength, env)
    const opened = await fakePlugin().open({ env, shareMemory: share ?? ofEngine })
    t.teardown(async () => {
      await opened.close()
      const left = await processes.left()
      if (left.length > 0) throw new Error(`Processes are left: ${left.join('; ')}`)
    })
    return new FakeWorker(opened, processes)
  }

  async load(): Promise<{ runner: ModelRunner; model: ModelInfo }> {
    const target = { device: cpu, dtype: 'float32', rank: 0, worldSize: 1, blockSize: BLOCK_SIZE } as const
    const runner = await this.opened.createRunner(target)
    return { runner, model: await runner.loadModel({ path: fixture }, () => {}) }
  }

  async bringUp(): Promise<ReadyWorker> {
    const { runner, model } = await this.load()
    await runner.profile(limits)
    await runner.bindKvCache(allocateKvCache(this.opened.framework, runner.kvCacheSpec(), 16, cpu))
    await runner.warmup(() => {})
    const step = async (tokenIds: readonly number[], stepId = 7): Promise<number> => {
      const numBlocks = Math.ceil(tokenIds.length / BLOCK_SIZE)
      const blockTable = Array.from({ length: numBlocks }, (_, index) => 1 + index)
      const rows = [{ sequenceId: 1, tokenIds, numComputed: 0, blockTable, samples: true }]
      const logits = runner.logitsMemory?.() as Float32Array
      await runner.execute(batchOf(rows, stepId), logits)
      return logits.subarray(0, model.vocabSize).indexOf(1)
    }
    return { runner, model, step }
  }
}
