// The responses that a server keeps, so that they can be fetched and gone on from: bounded by number and by bytes, the oldest
// leave first.

import type { InputItem } from '../protocol/responses-input-items.js'
import type { ResponseBody } from '../protocol/responses-response.js'
import type { BackgroundRun } from './background-run.js'

export interface ResponseStoreLimits {
  /** 0: nothing is kept. */
  readonly maxResponses: number
  readonly maxBytes: number
}

export interface KeptResponse {
  readonly body: ResponseBody
  /** The whole conversation before the output, the oldest first. */
  readonly items: readonly InputItem[]
  /** Set for responses that run, or ran, without a socket. */
  readonly run?: BackgroundRun | undefined
}

interface Entry {
  readonly kept: KeptResponse
  /** Ids of the items that came with it. */
  readonly itemIds: readonly string[]
  readonly bytes: number
}

export class ResponseStore {
  readonly #limits: ResponseStoreLimits
  /** By id, the oldest first. */
  readonly #entries = new Map<string, Entry>()
  /** Which response an item came with, by the item's id. */
  readonly #owners = new Map<string, string>()
  #bytes = 0

  constructor(limits: ResponseStoreLimits) {
    this.#limits = limits
  }

  get keeps(): boolean {
    return this.#limits.maxResponses > 0
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(id: string): KeptResponse | undefined {
    return this.#entries.get(id)?.kept
  }

  /** An item of a kept response, of its input or its output. */
  item(id: string): InputItem | undefined {
    const kept = this.get(this.#owners.get(id) ?? '')
    return kept && conversationOf(kept).find(item => item.id === id)
  }

  /** Keeps a response, or what has become of one; a response that has left does not come back. */
  put(kept: KeptResponse, isNew: boolean): void {
    const { id } = kept.body
    const before = this.#entries.get(id)
    if (!isNew && before === undefined) return
    const itemIds = conversationOf(kept).flatMap(item => (this.#isOwn(item.id, id) ? [item.id] : []))
    const bytes = bytesOf(kept)
    this.#bytes += bytes - (before?.bytes ?? 0)
    this.#entries.set(id, { kept, itemIds, bytes })
    for (const itemId of itemIds) this.#owners.set(itemId, id)
    this.#evict()
  }

  /** Adds to what a kept response weighs. */
  grow(id: string, bytes: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.set(id, { ...entry, bytes: entry.bytes + bytes })
    this.#bytes += bytes
    this.#evict()
  }

  /** False if it was not there. What runs is ended. */
  delete(id: string): boolean {
    const entry = this.#entries.get(id)
    if (entry === undefined) return false
    this.#entries.delete(id)
    this.#bytes -= entry.bytes
    for (const itemId of entry.itemIds) this.#owners.delete(itemId)
    entry.kept.run?.cancel()
    return true
  }

  #isOwn(itemId: string, id: string): boolean {
    const owner = this.#owners.get(itemId)
    return owner === undefined || owner === id
  }

  #evict(): void {
    const { maxResponses, maxBytes } = this.#limits
    while (this.#entries.size > maxResponses || this.#bytes > maxBytes) {
      const [oldest] = this.#entries.keys()
      if (oldest === undefined) return
      this.delete(oldest)
    }
  }
}

/** What a response that goes on from this one begins with. */
export function conversationOf({ items, body }: KeptResponse): readonly InputItem[] {
  return [...items, ...body.output]
}

/** As JSON, which is about what the texts take in memory; events that are kept for readers come on top. */
function bytesOf({ items, body, run }: KeptResponse): number {
  return JSON.stringify(items).length + JSON.stringify(body).length + (run?.keptBytes ?? 0)
}
