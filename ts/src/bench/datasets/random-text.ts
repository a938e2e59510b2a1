// Texts of random tokens that are exactly so many tokens long. Ids drawn at random rarely survive the way to text and back:
// neighbours merge. So texts are tokenized again, cut or lengthened, until they fit.

import type { PromptTokenizer } from '../prompt-tokenizer.js'
import type { RandomSource } from '../random-source.js'

const MOST_ROUNDS = 10
/** Draws for one id that has a text of its own. */
const MOST_DRAWS = 1000

export class RandomText {
  readonly #tokenizer: PromptTokenizer
  readonly #random: RandomSource
  /** Ids that have been drawn: of use, or special, absent, or a part of a character. */
  readonly #useful = new Map<number, boolean>()

  constructor(tokenizer: PromptTokenizer, random: RandomSource) {
    this.#tokenizer = tokenizer
    this.#random = random
  }

  /** Texts of these lengths, without special tokens; a length that cannot be met in ten rounds is missed by a little. */
  async ofLengths(lengths: readonly number[]): Promise<readonly string[]> {
    let ids: number[][] = lengths.map(length => this.#ids(length))
    let texts = ids.map(list => this.#tokenizer.decode(list, true))
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const encoded = await this.#tokenizer.encode(texts, false)
      if (encoded.every((list, index) => list.length === lengths[index])) break
      ids = encoded.map((list, index) => this.#fitted(Array.from(list), lengths[index] as number))
      texts = texts.map((text, index) =>
        encoded[index]?.length === lengths[index] ? text : this.#tokenizer.decode(ids[index] as number[], true),
      )
    }
    return texts
  }

  #fitted(ids: number[], length: number): number[] {
    return ids.length >= length ? ids.slice(0, length) : [...ids, ...this.#ids(length - ids.length)]
  }

  #ids(length: number): number[] {
    return Array.from({ length }, () => this.#id())
  }

  #id(): number {
    for (let draw = 0; draw < MOST_DRAWS; draw += 1) {
      const id = this.#random.integer(0, this.#tokenizer.vocabSize - 1)
      let useful = this.#useful.get(id)
      if (useful === undefined) {
        useful = this.#isUseful(id)
        this.#useful.set(id, useful)
      }
      if (useful) return id
    }
    throw new Error('the tokenizer has hardly an id with a text of its own')
  }

  #isUseful(id: number): boolean {
    try {
      const text = this.#tokenizer.decode([id], true)
      return text.trim() !== '' && !text.includes('\ufffd')
    } catch {
      return false // a gap in the vocabulary
    }
  }
}
