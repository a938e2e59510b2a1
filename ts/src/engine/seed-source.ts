// Seeds for requests that name none: unpredictable, or a sequence that a number makes repeatable.

import { randomBytes } from './random-bytes.js'

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n

/** splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"): one signed 64-bit seed per request. */
export class SeedSource {
  #state: bigint

  constructor(seed: number | undefined) {
    this.#state = seed === undefined ? drawn() : BigInt.asUintN(64, BigInt(seed))
  }

  next(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + GOLDEN_GAMMA)
    let mixed = this.#state
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n)
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn)
    return BigInt.asIntN(64, mixed ^ (mixed >> 31n))
  }
}

function drawn(): bigint {
  return new DataView(randomBytes(8).buffer).getBigUint64(0)
}
