// How many KV blocks there are, and what is asked of a framework to have them.

import test from 'ava'
import { type CacheSizeInput, chooseNumBlocks } from '../../ts/src/executor/cache-size.js'
import { alignedEntrySize, allocateKvCache } from '../../ts/src/executor/kv-cache.js'
import { cpu, fakeFramework } from '../engine/fake-plugin.js'

for (const [entry, bytes, expected] of [
  [576, 2, 640],
  [576, 4, 576],
  [64, 2, 128],
  [64, 4, 64],
  [576, 1, 768],
  [128, 2, 128],
  [1, 2, 128],
] as const) {
  test(`an entry of ${entry} elements of ${bytes} bytes takes the room of ${expected}`, t => {
    t.is(alignedEntrySize(entry, bytes), expected)
  })
}

const shapes: readonly (readonly [string, readonly number[], number, readonly string[]])[] = [
  ['as asked', [2, 3, 2, 4, 8], 0, ['zeros(2,3,2,4,8; bfloat16)']],
  ['aligned already', [2, 3, 2, 8, 8], 256, ['zeros(2,3,128; bfloat16)', 'view(2,3,2,8,8)']],
  ['K and V, padded', [2, 3, 2, 4, 9], 256, ['zeros(2,3,128; bfloat16)', 'narrow(2, 0, 72)', 'view(2,3,2,4,9)']],
  ['one latent entry, padded', [3, 16, 576], 256, ['zeros(3,16,640; bfloat16)', 'narrow(2, 0, 576)', 'view(3,16,576)']],
]
for (const [title, shape, alignment, expected] of shapes) {
  test(`a KV cache ${title}`, t => {
    const calls: string[] = []
    const layer = { dtype: 'bfloat16' as const, bytesPerBlock: 1, alignment, shape: () => shape }
    const spec = { blockSize: 16, layers: [layer, layer] }
    const tensors = allocateKvCache(fakeFramework(1 << 20, calls), spec, 3, cpu)
    t.deepEqual(calls, [...expected, ...expected])
    t.deepEqual(
      tensors.map(tensor => tensor.shape),
      [shape, shape],
    )
  })
}

test('memory is pinned on a CPU device where the framework has it, and nowhere else', t => {
  for (const [kind, available, pinned] of [
    ['cpu', true, true],
    ['cpu', false, false],
    ['cuda', true, false],
  ] as const) {
    const calls: string[] = []
    const framework = { ...fakeFramework(1, calls), isPinMemoryAvailable: () => available }
    const layer = { dtype: 'float32' as const, bytesPerBlock: 1, alignment: 0, shape: () => [1] }
    allocateKvCache(framework, { blockSize: 1, layers: [layer] }, 1, { kind, index: 0 })
    t.is(calls[0]?.includes('pinned'), pinned)
  }
})

const input: CacheSizeInput = {
  memory: { freeBytes: 100_000, totalBytes: 1_000_000 },
  memoryUtilization: 0.9,
  activationBytes: 10_000,
  bytesPerBlock: 1_000,
  blockSize: 16,
  maxModelLen: 161,
  maxNumSeqs: 100,
  numBlocks: undefined,
  kvCacheMemoryBytes: undefined,
}
for (const [title, changes, expected] of [
  ['what is free, times the utilisation, less the activations', {}, 80],
  ['no more than all sequences can fill', { maxNumSeqs: 2 }, 21],
  ['an explicit number', { numBlocks: 12 }, 12],
  ['explicit bytes', { kvCacheMemoryBytes: 33_333 }, 33],
  ['just one sequence and the null block', { numBlocks: 11 }, 11],
] as const) {
  test(`number of blocks: ${title}`, t => {
    t.is(chooseNumBlocks({ ...input, ...changes }), expected)
  })
}

for (const [title, changes, details, words] of [
  [
    'too little memory',
    { memory: { freeBytes: 15_000, totalBytes: 1_000_000 } },
    { neededBytes: 11_000, availableBytes: 3_500, neededBlocks: 11, availableBlocks: 3, maxModelLenThatFits: 33 },
    /Lower maxModelLen to 33 or less, or raise memoryUtilization/,
  ],
  ['too few blocks', { numBlocks: 10 }, { availableBlocks: 10, maxModelLenThatFits: 145 }, /raise numBlocks/],
  ['too few bytes', { kvCacheMemoryBytes: 10_999 }, { availableBytes: 10_999 }, /raise kvCacheMemoryBytes/],
  [
    'no memory',
    { memory: { freeBytes: 0, totalBytes: 1 } },
    { availableBlocks: 0, maxModelLenThatFits: 0 },
    /free memory/,
  ],
  ['more than the machine has', { numBlocks: 2_000 }, { totalBytes: 1_000_000 }, /Lower numBlocks/],
] as const) {
  test(`no room: ${title}`, t => {
    const error = t.throws(() => chooseNumBlocks({ ...input, activationBytes: 10_000, ...changes }))
    t.like(error, { code: 'ERR_OUT_OF_MEMORY', details })
    t.regex(error?.message ?? '', words)
  })
}
