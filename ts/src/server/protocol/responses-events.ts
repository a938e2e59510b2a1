// The events of a streamed response, in their order and with their numbers: items open and close as the answer goes from one
// kind to another, and what they have gathered becomes the response at the end.

import { z } from 'zod'
import type { TokenLogprob } from '../../engine/index.js'
import type { ChatFinish, ChatNews, ChatPart, ChatUsage } from '../chat/chat-event.js'
import type { RequestError } from '../request-error.js'
import { chatLogprobs } from './logprobs.js'
import { newItemId } from './responses-input-items.js'
import { contentPositions } from './responses-logprobs.js'
import {
  begun,
  callItem,
  endOf,
  failureOf,
  type ItemStatus,
  messageItem,
  type OutputItem,
  type ResponseBody,
  type ResponseEnd,
  type ResponseHead,
  type ResponseProgress,
  reasoningItem,
  responseBody,
  type TokenLogprobs,
  textPart,
  usageBody,
} from './responses-response.js'

/** One event of a stream. */
export const responseEventSchema = z.looseObject({
  type: z.enum([
    'response.created',
    'response.queued',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.reasoning_text.delta',
    'response.reasoning_text.done',
    'response.content_part.done',
    'response.function_call_arguments.delta',
    'response.function_call_arguments.done',
    'response.output_item.done',
    'response.completed',
    'response.incomplete',
    'response.failed',
    'error',
  ]),
  sequence_number: z.int(),
})

/** The item that is being said. */
interface OpenItem {
  readonly kind: 'message' | 'reasoning' | 'function_call'
  readonly id: string
  /** Of a call: its number within the choice, its id and its name. */
  readonly call: { readonly index: number; readonly id: string; readonly name: string } | undefined
  /** What a delta of it begins with. */
  readonly deltaHead: string
  text: string
  readonly logprobs: TokenLogprobs
}

export class ResponseEventWriter {
  readonly #head: ResponseHead
  readonly #output: OutputItem[] = []
  #progress: ResponseProgress
  #open: OpenItem | undefined
  /** Positions whose text is held back. */
  #pending: TokenLogprob[] = []
  #sequence = 0

  constructor(head: ResponseHead, status: 'queued' | 'in_progress') {
    this.#head = head
    this.#progress = begun(status)
  }

  /** The response as far as it has come. */
  get response(): ResponseBody {
    return responseBody(this.#head, this.#progress)
  }

  begin(): string {
    const created = this.#responseEvent('created')
    const queued = this.#progress.status === 'queued' ? this.#responseEvent('queued') : ''
    this.#progress = begun('in_progress')
    return created + queued + this.#responseEvent('in_progress')
  }

  news({ parts, logprobs, finish }: ChatNews, usage: ChatUsage, nowSeconds: number): string {
    if (this.#head.logprobs !== undefined && logprobs !== null) this.#pending.push(...logprobs)
    let frames = ''
    for (const part of parts) frames += this.#part(part)
    return finish === null ? frames : frames + this.#end(finish, usage, nowSeconds)
  }

  /** What ended it early. */
  fail(error: RequestError, usage: ChatUsage, nowSeconds: number): string {
    const failure = failureOf(error)
    const left = this.#leave('incomplete')
    this.#settle({ status: 'failed', error: failure, incomplete_details: null }, usage, nowSeconds)
    return left + this.#event('error', { ...failure, param: error.param }) + this.#responseEvent('failed')
  }

  /** Its reader or its owner has ended it: nobody is told. */
  cancel(usage: ChatUsage, nowSeconds: number): void {
    this.#leave('incomplete')
    this.#settle({ status: 'cancelled', error: null, incomplete_details: null }, usage, nowSeconds)
  }

  #part(part: ChatPart): string {
    switch (part.kind) {
      case 'content':
        return this.#enter('message') + this.#delta(part.text)
      case 'reasoning':
        this.#pending = []
        return this.#enter('reasoning') + this.#delta(part.text)
      case 'call':
        this.#pending = []
        return this.#enter('function_call', part)
      case 'arguments':
        this.#pending = []
        return this.#delta(part.text)
    }
  }

  #enter(kind: OpenItem['kind'], call?: Extract<ChatPart, { kind: 'call' }>): string {
    if (this.#open?.kind === kind && this.#open.call?.index === call?.index) return ''
    const left = this.#leave('completed')
    const id = newItemId(kind)
    const open: OpenItem = { kind, id, call, deltaHead: this.#deltaHead(kind, id), text: '', logprobs: [] }
    this.#open = open
    const added = this.#event('response.output_item.added', {
      output_index: this.#output.length,
      item: itemOf(open, 'in_progress', true),
    })
    if (kind === 'function_call') return left + added
    return left + added + this.#event('response.content_part.added', { ...this.#place(open), part: partOf(open) })
  }

  /** Everything of a delta that stays the same until its item closes. */
  #deltaHead(kind: OpenItem['kind'], id: string): string {
    const type = DELTAS[kind]
    const place = {
      item_id: id,
      output_index: this.#output.length,
      ...(kind !== 'function_call' && { content_index: 0 }),
    }
    return `event: ${type}\ndata: ${JSON.stringify({ type, ...place }).slice(0, -1)},"delta":`
  }

  #delta(text: string): string {
    const open = this.#open
    if (open === undefined) return ''
    open.text += text
    const logprobs = open.kind === 'message' ? `,"logprobs":${this.#takeLogprobs(open, text)}` : ''
    const frame = `${open.deltaHead}${JSON.stringify(text)}${logprobs},"sequence_number":${this.#sequence}}\n\n`
    this.#sequence += 1
    return frame
  }

  /** As JSON. */
  #takeLogprobs(open: OpenItem, text: string): string {
    const style = this.#head.logprobs
    if (style === undefined || this.#pending.length === 0) return '[]'
    const { content } = chatLogprobs(contentPositions(this.#pending, text), style)
    this.#pending = []
    open.logprobs.push(...(content ?? []))
    return JSON.stringify(content ?? [])
  }

  #leave(status: ItemStatus): string {
    const open = this.#open
    if (open === undefined) return ''
    this.#open = undefined
    const done = this.#done(open)
    const item = itemOf(open, status, false)
    const closed = this.#event('response.output_item.done', { output_index: this.#output.length, item })
    this.#output.push(item)
    return done + closed
  }

  #done(open: OpenItem): string {
    const place = this.#place(open)
    if (open.kind === 'function_call') {
      const { item_id, output_index } = place
      const called = { item_id, output_index, name: open.call?.name, arguments: open.text }
      return this.#event('response.function_call_arguments.done', called)
    }
    const isText = open.kind === 'message'
    const said = { ...place, text: open.text, ...(isText && { logprobs: open.logprobs }) }
    return (
      this.#event(isText ? 'response.output_text.done' : 'response.reasoning_text.done', said) +
      this.#event('response.content_part.done', { ...place, part: partOf(open) })
    )
  }

  #place({ id }: OpenItem) {
    return { item_id: id, output_index: this.#output.length, content_index: 0 }
  }

  #end(finish: ChatFinish, usage: ChatUsage, nowSeconds: number): string {
    const end = endOf(finish)
    const entered = this.#open === undefined && this.#output.length === 0 ? this.#enter('message') : ''
    const left = this.#leave(end.status === 'completed' ? 'completed' : 'incomplete')
    this.#settle(end, usage, nowSeconds)
    return entered + left + this.#responseEvent(end.status)
  }

  #settle(end: ResponseEnd, usage: ChatUsage, nowSeconds: number): void {
    this.#progress = {
      ...end,
      output: this.#output,
      usage: usageBody(usage),
      completed_at: end.status === 'completed' ? nowSeconds : null,
    }
  }

  #responseEvent(name: string): string {
    return this.#event(`response.${name}`, { response: this.response })
  }

  #event(type: string, body: object): string {
    const frame = `event: ${type}\ndata: ${JSON.stringify({ type, ...body, sequence_number: this.#sequence })}\n\n`
    this.#sequence += 1
    return frame
  }
}

const DELTAS = {
  message: 'response.output_text.delta',
  reasoning: 'response.reasoning_text.delta',
  function_call: 'response.function_call_arguments.delta',
} as const

function partOf({ kind, text, logprobs }: OpenItem) {
  return kind === 'message' ? textPart(text, logprobs) : { type: 'reasoning_text', text }
}

function itemOf({ kind, id, call, text, logprobs }: OpenItem, status: ItemStatus, isEmpty: boolean): OutputItem {
  if (kind === 'message') return messageItem(id, status, isEmpty ? [] : [textPart(text, logprobs)])
  if (kind === 'reasoning') return reasoningItem(id, status, isEmpty ? undefined : text)
  return callItem(id, status, { id: call?.id ?? '', name: call?.name ?? '', arguments: text })
}
