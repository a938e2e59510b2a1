// OpenAI's words on the wire, as a client writes and reads them: bodies of requests, events of streams, lists of models.

/** What is asked, in our words. */
export interface CompletionAsk {
  readonly model: string
  readonly maxTokens?: number
  readonly logprobs?: number
  readonly ignoreEos?: boolean
  /** Further fields of the body, already in the wire's words; they win. */
  readonly extraBody?: Readonly<Record<string, unknown>>
}

export interface WireMessage {
  readonly role: string
  readonly content: unknown
}

/** Sampling in our words; fields that are not given are not sent. */
export interface WireSampling {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly minP?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
  readonly repetitionPenalty?: number
  readonly minTokens?: number
  readonly maxTokens?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly ignoreEos?: boolean
}

const samplingWords: Readonly<Record<keyof WireSampling, string>> = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  repetitionPenalty: 'repetition_penalty',
  minTokens: 'min_tokens',
  maxTokens: 'max_tokens',
  seed: 'seed',
  stop: 'stop',
  ignoreEos: 'ignore_eos',
}

/** Sampling as fields of a request's body. */
export function samplingBody(sampling: WireSampling): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(samplingWords).flatMap(([ours, theirs]) => {
      const value = sampling[ours as keyof WireSampling]
      return value === undefined ? [] : [[theirs, value]]
    }),
  )
}

const streamed = { stream: true, stream_options: { include_usage: true } }

/** A streamed request for `/v1/completions`. */
export function completionBody(prompt: string | readonly number[], ask: CompletionAsk): Record<string, unknown> {
  const { model, maxTokens, logprobs } = ask
  return {
    model,
    prompt,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(logprobs !== undefined && { logprobs }),
    ...streamed,
    ...extras(ask),
  }
}

/** A streamed request for `/v1/chat/completions`. */
export function chatBody(messages: readonly WireMessage[], ask: CompletionAsk): Record<string, unknown> {
  const { model, maxTokens, logprobs } = ask
  return {
    model,
    messages,
    ...(maxTokens !== undefined && { max_completion_tokens: maxTokens }),
    ...(logprobs !== undefined && { logprobs: true, top_logprobs: logprobs }),
    ...streamed,
    ...extras(ask),
  }
}

function extras({ ignoreEos, extraBody }: CompletionAsk): Record<string, unknown> {
  return { ...(ignoreEos === true && { ignore_eos: true }), ...extraBody }
}

/** One event of a stream of completions or chat completions. */
export interface StreamEvent {
  /** The event has a choice: vLLM's bench takes each of these for a token. */
  readonly hasChoice: boolean
  /** The choice only opens a message: a role, and nothing said. */
  readonly opensOnly: boolean
  readonly text: string
  readonly reasoning: string
  readonly finishReason: string | null
  readonly usage: { readonly promptTokens?: number; readonly completionTokens?: number } | undefined
  readonly error: string | undefined
}

interface WireEvent {
  choices?: { text?: string; delta?: Record<string, unknown>; finish_reason?: string | null }[]
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null
  error?: { message?: string } | string
  message?: string
}

/** @throws SyntaxError for what is no JSON. */
export function readStreamEvent(data: string): StreamEvent {
  const event = JSON.parse(data) as WireEvent | null
  if (typeof event !== 'object' || event === null) throw new SyntaxError('an event is not an object')
  const choice = event.choices?.[0]
  const delta = choice?.delta
  const text = asText(choice?.text ?? delta?.content)
  const reasoning = asText(delta?.reasoning ?? delta?.reasoning_content)
  const said = text !== '' || reasoning !== '' || delta?.tool_calls !== undefined
  const finishReason = choice?.finish_reason ?? null
  const { usage } = event
  return {
    hasChoice: choice !== undefined,
    opensOnly: delta !== undefined && !said && finishReason === null,
    text,
    reasoning,
    finishReason,
    usage: readUsage(usage),
    error: event.error === undefined ? undefined : errorMessage(event),
  }
}

/** What the body of an error says, else its beginning. */
export function readErrorMessage(body: string): string {
  try {
    return errorMessage(JSON.parse(body) as WireEvent)
  } catch {
    return body.slice(0, 200).trim()
  }
}

function readUsage(usage: WireEvent['usage']): StreamEvent['usage'] {
  if (typeof usage !== 'object' || usage === null) return undefined
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage
  return {
    ...(typeof promptTokens === 'number' && { promptTokens }),
    ...(typeof completionTokens === 'number' && { completionTokens }),
  }
}

function errorMessage({ error, message }: WireEvent): string {
  if (typeof error === 'string') return error
  return asText(error?.message ?? message) || JSON.stringify(error ?? null).slice(0, 200)
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export interface ListedModel {
  readonly id: string
  /** Where vLLM and Quire have the model from. */
  readonly root: string | undefined
}

/** Models of `/v1/models`; none if it is not such a list. */
export function readModelList(body: string): readonly ListedModel[] {
  try {
    const { data } = JSON.parse(body) as { data?: { id?: unknown; root?: unknown }[] }
    return (data ?? []).flatMap(({ id, root }) =>
      typeof id === 'string' ? [{ id, root: typeof root === 'string' ? root : undefined }] : [],
    )
  } catch {
    return []
  }
}
