// Checkpoints of the suite's own: greedy tokens must be those of the reference model, whatever the batch.

import type { ConformanceCase } from '../conformance-case.js'
import { expectEqual } from '../expectations.js'
import { clearPrompts } from '../logits-check.js'
import type { TinyArchitecture } from '../tiny-models.js'

const COUNT = 16
const LENGTHS = [1, 5, 13, 29, 40, 2, 8, 17, 21, 3] as const // more than can run at once

function greedyCase(architecture: TinyArchitecture, seed: number): ConformanceCase {
  return {
    name: `a random ${architecture}, seed ${seed}`,
    group: 'golden tokens',
    run: async subject => {
      const { session, checkpoint, tolerance } = await subject.tinyModel({ checkpoint: { architecture, seed } })
      const { vocabSize } = checkpoint.config
      const prompts = clearPrompts(checkpoint.reference, LENGTHS, { count: COUNT, vocabSize, tolerance })
      const outputs = await session.greedy(prompts.map(({ tokenIds }) => ({ tokenIds, count: COUNT })))
      for (const [index, { greedyTokenIds }] of prompts.entries()) {
        expectEqual(outputs[index], greedyTokenIds, `prompt ${index}`)
      }
      return `${prompts.length} prompts, ${outputs.flat().length} tokens`
    },
  }
}

export const greedyCases: readonly ConformanceCase[] = [
  greedyCase('LlamaForCausalLM', 2),
  greedyCase('LlamaForCausalLM', 3),
  greedyCase('GPT2LMHeadModel', 2),
]
