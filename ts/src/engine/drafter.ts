// Drafts by a second model, made between two steps. It knows ids and typed arrays; which tokens are worth a draft the core says, and
// whether drafts pay here and now is measured.

import type { Core, HostSampler } from '../binding/index.js'
import type { DraftRunner } from '../executor/index.js'
import type { InputBatch } from '../plugin/input-batch.js'
import { DraftTrial } from './draft-trial.js'

const noTokens = new Int32Array(0)

export class Drafter {
  readonly #core: Core
  readonly #sampler: HostSampler
  /** The runner of the moment: it changes when workers are replaced. */
  readonly #runner: () => DraftRunner | undefined
  readonly #onLost: (cause: unknown) => void
  readonly #trial = new DraftTrial()
  #logits = new Float32Array(0)
  /** The runner that failed: nothing is asked of it again. */
  #lost: DraftRunner | undefined

  /** `sampler` knows no sequence: drafts are drawn by the columns of a batch alone. `onLost` is told once that drafts are over. */
  constructor(
    core: Core,
    sampler: HostSampler,
    runner: () => DraftRunner | undefined,
    onLost: (cause: unknown) => void,
  ) {
    this.#core = core
    this.#sampler = sampler
    this.#runner = runner
    this.#onLost = onLost
  }

  /** A step gave `numTokens` tokens, and took `ms` with the round before it. */
  took(batch: InputBatch, numTokens: number, ms: number): void {
    const numDrafts = batch.numDraftTokens?.reduce((sum, count) => sum + count, 0) ?? 0
    // Prompts take their time, with drafts and without.
    if (batch.numTokens - numDrafts === batch.numRows) this.#trial.took(batch.numRows, numTokens, ms)
  }

  /** A round: drafts for the sequences of the next step. A failure of the runner ends the drafts, and nothing else. */
  async run(): Promise<void> {
    const runner = this.#runner()
    if (runner === undefined || runner === this.#lost || !this.#trial.wantsDrafts) return
    try {
      let drawn: Int32Array = noTokens
      for (;;) {
        const batch = this.#core.draft(drawn)
        if (batch === undefined) return
        const logits = this.#logitsFor(runner, batch.numLogits)
        const output = await runner.execute(batch, logits)
        if (output.kind === 'tokens') drawn = output.tokenIds.slice()
        else drawn = batch.numLogits === 0 ? noTokens : (await this.#sampler.sample(batch, logits)).tokenIds
      }
    } catch (cause) {
      this.#core.endDrafts()
      this.#lost = runner
      this.#onLost(cause)
    }
  }

  #logitsFor({ logitsMemory, modelInfo: { vocabSize } }: DraftRunner, numLogits: number): Float32Array {
    if (logitsMemory !== undefined) return logitsMemory
    if (numLogits * vocabSize > this.#logits.length) this.#logits = new Float32Array(2 * numLogits * vocabSize)
    return this.#logits
  }
}
