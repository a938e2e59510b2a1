// The workers of one model, one per rank: they do everything together, and what fails one of them fails all, because the
// others wait for it in a collective that cannot be called off.

import { isWorkerError, WorkerError } from '../errors.js'
import type { RankGroup } from '../plugin/framework-plugin.js'
import type { InputBatch } from '../plugin/input-batch.js'
import type { EmbedBatch, ModelOutput, Target } from '../plugin/model-runner.js'
import { type OpenedPlugin, Worker } from './worker.js'

/** Opens the framework for one rank; without a group for the only one. */
export type OpenRank = (group: RankGroup | undefined) => Promise<OpenedPlugin>

const noLogits = new Float32Array(0)

export class Workers {
  /** By rank. */
  readonly ranks: readonly Worker[]
  #lost: WorkerError | undefined

  private constructor(ranks: readonly Worker[]) {
    this.ranks = ranks
  }

  /** Opens `worldSize` ranks side by side. @throws the first error, with no rank left open. */
  static async open(
    open: OpenRank,
    worldSize: number,
    target: Omit<Target, 'device' | 'rank' | 'worldSize'>,
    freeRendezvous: () => Promise<string>,
  ): Promise<Workers> {
    const rendezvous = worldSize === 1 ? undefined : await freeRendezvous()
    const openRank = async (rank: number): Promise<Worker> => {
      const group = rendezvous === undefined ? undefined : { rank, worldSize, rendezvous }
      const opened = await open(group)
      return Worker.create(opened, { ...target, device: opened.device, rank, worldSize }, group)
    }
    const opening = Array.from({ length: worldSize }, (_, rank) => openRank(rank))
    try {
      return new Workers(await Promise.all(opening))
    } catch (error) {
      const settled = await Promise.allSettled(opening)
      await Promise.allSettled(settled.map(each => each.status === 'fulfilled' && each.value.close()))
      throw error
    }
  }

  /** Rank 0, which has the results. */
  get first(): Worker {
    return this.ranks[0] as Worker
  }

  /** Set when a worker was lost: no step is possible any more. */
  get lost(): WorkerError | undefined {
    return this.#lost
  }

  /** What every rank does, side by side; results by rank. @throws the first error; the others are not waited for. */
  all<T>(call: (worker: Worker, rank: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.ranks.map(call))
  }

  /** @throws WorkerError if a rank is lost, then and ever after; else what the runner throws. */
  async execute(batch: InputBatch, logits: Float32Array): Promise<ModelOutput> {
    if (this.#lost !== undefined) throw this.#lost
    if (this.ranks.length === 1) return this.#watch(this.first.execute(batch, logits))
    const [output] = await this.#watch(
      this.all((worker, rank) => worker.execute(batch, rank === 0 ? logits : noLogits)),
    )
    return output as ModelOutput
  }

  /** Whether sequences can be embedded: no plugin does it over several ranks. */
  get embeds(): boolean {
    return this.ranks.length === 1 && this.first.embeds
  }

  /** @throws WorkerError if the rank is lost, then and ever after; else what the runner throws. */
  async embed(batch: EmbedBatch, out: Float32Array): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost
    await this.#watch(this.first.embed(batch, out))
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.ranks.map(worker => worker.close()))
    const failed = closed.find(each => each.status === 'rejected')
    if (failed !== undefined && this.#lost === undefined) throw failed.reason
  }

  async #watch<T>(step: Promise<T>): Promise<T> {
    try {
      return await step
    } catch (cause) {
      if (this.ranks.length === 1 && !isWorkerError(cause)) throw cause
      this.#lost = isWorkerError(cause) ? cause : lostBy(cause)
      if (this.ranks.length > 1) await this.close()
      throw this.#lost
    }
  }
}

function lostBy(cause: unknown): WorkerError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new WorkerError(`A rank failed in a step, and the others cannot go on without it: ${reason}`, { cause })
}
