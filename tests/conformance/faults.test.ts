// Conformance finds what it is there to find: a sound plugin with one fault at a time, and the case that must fail of it.

import { plugin as candle } from '@quire-llm/candle-cpu'
import test from 'ava'
import type {
  EmbedBatch,
  Framework,
  FrameworkPlugin,
  InputBatch,
  ModelRunner,
  OpenedFramework,
  Tensor,
} from 'quire-llm/plugin'
import { type CaseGroup, conformance } from 'quire-llm/testing'
import { plugin as soundPlugin } from '../fixtures/plugin-javascript/index.js'

const sound = soundPlugin as FrameworkPlugin

interface Fault {
  readonly name: string
  /** The plugin without it. Default: the one in plain JavaScript. */
  readonly plugin?: FrameworkPlugin
  readonly groups: readonly CaseGroup[]
  /** The case that must fail. */
  readonly found: string
  readonly framework?: (framework: Framework) => Partial<Framework>
  readonly runner?: (runner: ModelRunner) => Partial<ModelRunner>
}

/** A tensor of the plugin in plain JavaScript. */
interface ArrayTensor extends Tensor {
  readonly data: Float32Array
  parts(): Float32Array[]
}

/** `target` with some members replaced. */
function altered<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      if (name in members) return Reflect.get(members, name)
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function withFault({ plugin = sound, framework = () => ({}), runner = () => ({}) }: Fault): FrameworkPlugin {
  return {
    ...plugin,
    open: async (options): Promise<OpenedFramework> => {
      const opened = await plugin.open(options)
      return {
        framework: altered(opened.framework, framework(opened.framework)),
        createRunner: async target => {
          const created = await opened.createRunner(target)
          return altered(created, runner(created))
        },
        close: () => opened.close(),
      }
    },
  }
}

/** Hands batches on that `change` has changed. */
function changingBatches(change: (batch: InputBatch) => void): (runner: ModelRunner) => Partial<ModelRunner> {
  return runner => ({
    execute: (batch, logits) => {
      const copy = new (batch.constructor as typeof InputBatch)(batch.words.slice())
      change(copy)
      return runner.execute(copy, logits)
    },
  })
}

/** Changes logits after each step. */
function changingLogits(
  change: (logits: Float32Array, batch: InputBatch) => void,
): (runner: ModelRunner) => Partial<ModelRunner> {
  return runner => ({
    execute: async (batch, logits) => {
      const output = await runner.execute(batch, logits)
      change(logits, batch)
      return output
    },
  })
}

type Embed = (batch: EmbedBatch, out: Float32Array, sound: NonNullable<ModelRunner['embed']>) => Promise<void>

/** A fault of `embed`, in the embedded default: the plugin in plain JavaScript has none. */
function embedFault(name: string, found: string, embed: (runner: ModelRunner) => Embed): Fault {
  return {
    name,
    found,
    plugin: candle,
    groups: ['embeddings'],
    runner: runner => {
      const faulty = embed(runner)
      return {
        embed: (batch, out) => faulty(batch, out, async (...given) => runner.embed?.(...given)),
      }
    },
  }
}

const HIDDEN_SIZE = 64

const embedFaults: readonly Fault[] = [
  embedFault('each vector is that of the first sequence', 'vectors by last, several sequences in a call', () => {
    return async (batch, out, sound) => {
      await sound(batch, out)
      for (let row = 1; row < batch.startLoc.length - 1; row += 1) out.copyWithin(row * HIDDEN_SIZE, 0, HIDDEN_SIZE)
    }
  }),
  embedFault('means are taken over the longest sequence', 'vectors by mean, several sequences in a call', () => {
    return async (batch, out, sound) => {
      await sound(batch, out)
      if (batch.output !== 'mean') return
      const lengths = Array.from(batch.startLoc.subarray(1), (end, row) => end - (batch.startLoc[row] as number))
      for (const [row, length] of lengths.entries()) {
        for (let at = 0; at < HIDDEN_SIZE; at += 1)
          out[row * HIDDEN_SIZE + at] = ((out[row * HIDDEN_SIZE + at] as number) * length) / Math.max(...lengths)
      }
    }
  }),
  embedFault(
    'vectors are normalised',
    'vectors by max, several sequences in a call',
    () => async (batch, out, sound) => {
      await sound(batch, out)
      for (let row = 0; row < batch.startLoc.length - 1; row += 1) {
        const vector = out.subarray(row * HIDDEN_SIZE, (row + 1) * HIDDEN_SIZE)
        const length = Math.hypot(...vector)
        for (const [at, value] of vector.entries()) vector[at] = value / length
      }
    },
  ),
  embedFault('vectors depend on the company', 'a vector depends on nothing but its sequence', () => {
    return async (batch, out, sound) => {
      await sound(batch, out)
      out[0] = (out[0] as number) + 0.1 * (batch.startLoc.length - 2)
    }
  }),
  embedFault('it writes behind the vectors', 'the longest sequence', () => async (batch, out, sound) => {
    await sound(batch, out)
    out[(batch.startLoc.length - 1) * HIDDEN_SIZE] = 0
  }),
  embedFault(
    'a part is taken for the whole',
    'a sequence in parts',
    () =>
      async ({ part: _, ...batch }, out, sound) => {
        await sound(batch, out)
      },
  ),
  {
    ...embedFault(
      'it computes in the blocks of the last step',
      'between steps, without a trace in the KV cache',
      () => {
        return (batch, out, sound) => sound(batch, out)
      },
    ),
    runner: runner => {
      let lastStep: InputBatch | undefined
      return {
        execute: (batch, logits) => {
          lastStep = new (batch.constructor as typeof InputBatch)(batch.words.slice())
          return runner.execute(batch, logits)
        },
        embed: async (batch, out) => {
          if (lastStep !== undefined) {
            lastStep.inputIds.reverse()
            await runner.execute(lastStep, new Float32Array(lastStep.numLogits * 97))
          }
          await runner.embed?.(batch, out)
        },
      }
    },
  },
]

const faults: readonly Fault[] = [
  ...embedFaults,
  {
    name: 'narrow copies',
    groups: ['tensors'],
    found: 'narrow copies nothing: what is written through one is seen in the other',
    framework: framework => ({
      narrow: (tensor, dim, start, length) => {
        const window = framework.narrow(tensor, dim, start, length) as ArrayTensor
        const copy = framework.zeros(window.shape, tensor) as ArrayTensor
        let at = 0
        for (const part of window.parts()) {
          copy.data.set(part, at)
          at += part.length
        }
        return copy
      },
    }),
  },
  {
    name: 'view copies where it cannot view',
    groups: ['tensors'],
    found: 'view that would need a copy, or other elements, is refused',
    framework: framework => ({
      view: (tensor, shape) => {
        try {
          return framework.view(tensor, shape)
        } catch {
          return framework.zeros([1], tensor)
        }
      },
    }),
  },
  {
    name: 'memory that is not there is given',
    groups: ['memory'],
    found: 'more memory than there is: ERR_OUT_OF_MEMORY, and it goes on',
    framework: framework => ({
      zeros: (shape, options) =>
        framework.zeros(
          shape.map(size => Math.min(size, 8)),
          options,
        ),
    }),
  },
  {
    name: 'positions begin anew in each chunk',
    groups: ['runner'],
    found: 'a prompt in chunks of many sizes',
    runner: changingBatches(({ positions, numComputed, queryStartLoc }) => {
      for (const [row, computed] of numComputed.entries()) {
        for (let at = queryStartLoc[row] as number; at < (queryStartLoc[row + 1] as number); at += 1) {
          positions[at] = (positions[at] as number) - computed
        }
      }
    }),
  },
  {
    name: 'block tables are taken for runs of blocks',
    groups: ['kv cache'],
    found: 'blocks in any order, with what others left in them',
    runner: changingBatches(({ blockTables, blockTableStride, numRows }) => {
      for (let row = 0; row < numRows; row += 1) {
        const first = blockTables[row * blockTableStride] as number
        for (let at = 1; at < blockTableStride; at += 1) blockTables[row * blockTableStride + at] = first + at
      }
    }),
  },
  {
    name: 'skipped slots are written',
    groups: ['kv cache'],
    found: 'slots that are skipped are not written',
    runner: changingBatches(({ slotMapping }) => {
      for (const [token, slot] of slotMapping.entries()) slotMapping[token] = slot === -1 ? 5 : slot
    }),
  },
  {
    name: 'padding is written into block 0',
    groups: ['kv cache'],
    found: 'no batch touches block 0, padding included',
    runner: runner => {
      let caches: readonly ArrayTensor[] = []
      return {
        bindKvCache: layers => {
          caches = layers as readonly ArrayTensor[]
          return runner.bindKvCache(layers)
        },
        execute: async (batch, logits) => {
          const output = await runner.execute(batch, logits)
          for (const { data } of caches) data[0] = (data[0] as number) + 1
          return output
        },
      }
    },
  },
  {
    name: 'logits of another token',
    groups: ['runner'],
    found: 'several prompts side by side',
    runner: changingBatches(({ logitsIndices }) => void logitsIndices.reverse()),
  },
  {
    name: 'logits that are never quite the same',
    groups: ['runner'],
    found: 'the same step twice gives the same bits',
    runner: runner => {
      let steps = 0
      return changingLogits(logits => {
        steps += 1
        logits[0] = (logits[0] as number) + steps * 1e-6
      })(runner)
    },
  },
  {
    name: 'logits that depend on the company',
    groups: ['runner'],
    found: 'other sequences in the batch change no token',
    runner: changingLogits((logits, { numRows }) => {
      for (let row = 1; row < numRows; row += 1) logits[row * 97] = 1e3
    }),
  },
  {
    name: 'a row of logits is not written',
    groups: ['runner'],
    found: 'the largest batch: as many rows and tokens as there may be',
    runner: changingLogits((logits, { numLogits }) => void logits.fill(Number.NaN, (numLogits - 1) * 97)),
  },
  {
    name: 'it samples where Quire must',
    groups: ['sampling'],
    found: 'logits where Quire samples',
    runner: () => ({
      execute: async ({ sampleIndex }) => {
        const counts = sampleIndex.map(index => (index < 0 ? 0 : 1))
        return { kind: 'tokens', counts, tokenIds: new Int32Array(counts.length) }
      },
    }),
  },
  {
    name: 'errors without a code',
    groups: ['errors'],
    found: 'a model that is not there',
    runner: runner => ({
      loadModel: async (source, onProgress) => {
        try {
          return await runner.loadModel(source, onProgress)
        } catch (error) {
          throw new Error((error as Error).message)
        }
      },
    }),
  },
  {
    name: 'steps after the end',
    groups: ['errors'],
    found: 'a step after close, and close again',
    runner: () => ({ close: async () => {} }),
  },
  {
    name: 'sums that are not taken',
    groups: ['collectives'],
    found: 'one rank: sums, maxima, minima, gathered, broadcast',
    framework: framework => ({ allReduce: async tensor => framework.zeros(tensor.shape, tensor) }),
  },
]

for (const fault of faults) {
  test(`${fault.name}: "${fault.found}" fails`, async t => {
    const report = await conformance(withFault(fault), { groups: fault.groups })
    const failed = report.results.filter(({ status }) => status === 'failed').map(({ name }) => name)
    t.true(failed.includes(fault.found), `failed: ${failed.join('; ')}`)
  })
}
