// Lines of a batch in OpenAI's words: what a line of the input asks, and what a line of the output says.

/** Endpoints that a batch may use. */
const URLS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/score',
  '/v1/score',
  '/rerank',
  '/v1/rerank',
  '/v2/rerank',
] as const

/** A line that can be asked. */
export interface BatchRequest {
  readonly customId: string
  readonly url: string
  readonly body: Readonly<Record<string, unknown>>
}

/** A line that cannot. */
export interface BadLine {
  /** Null if the line does not say it. */
  readonly customId: string | null
  readonly problem: string
}

export interface BatchAnswer {
  readonly status: number
  readonly requestId: string
  /** The parsed body; null if it is none. */
  readonly body: unknown
}

/** Never throws: a line can be anything. */
export function readBatchLine(text: string): BatchRequest | BadLine {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch (error) {
    return { customId: null, problem: `it is not JSON: ${(error as Error).message}` }
  }
  if (!isObject(line)) return { customId: null, problem: 'it is not a JSON object' }
  const { custom_id: customId, method, url, body } = line
  if (typeof customId !== 'string') return { customId: null, problem: '`custom_id` must be a string' }
  const bad = (problem: string): BadLine => ({ customId, problem })
  if (method !== 'POST') return bad(`\`method\` must be POST, got ${JSON.stringify(method)}`)
  if (!URLS.some(known => known === url)) {
    return bad(`\`url\` must be one of ${URLS.join(', ')}, got ${JSON.stringify(url)}`)
  }
  if (!isObject(body)) return bad('`body` must be an object')
  if (body.stream === true) return bad('`body.stream` must not be true: a batch has whole answers')
  return { customId, url: url as string, body }
}

/** The row of a request that was answered, well or badly. */
export function answerRow(id: string, customId: string, { status, requestId, body }: BatchAnswer): string {
  const error = status === 200 ? null : ((isObject(body) ? body.error : undefined) ?? { message: `HTTP ${status}` })
  return JSON.stringify({
    id,
    custom_id: customId,
    response: { status_code: status, request_id: requestId, body: body ?? null },
    error,
  })
}

/** The row of a line that was not asked, or not answered. */
export function errorRow(id: string, customId: string | null, code: string, message: string, line: number): string {
  return JSON.stringify({ id, custom_id: customId, response: null, error: { code, message, line } })
}

/** What an earlier run has written. */
export interface WrittenRow {
  /** Tells lines of the input apart: the custom id, else the number of the line. */
  readonly key: string
  readonly failed: boolean
}

/** Undefined for what is no row. */
export function readWrittenRow(text: string): WrittenRow | undefined {
  try {
    const row: unknown = JSON.parse(text)
    // A line of an input has no answer, good or bad.
    if (!isObject(row) || !('response' in row)) return undefined
    const { custom_id: customId, error, response } = row
    const line = isObject(error) ? error.line : undefined
    const failed = (error ?? null) !== null || !isObject(response)
    if (typeof customId === 'string') return { key: keyOf(customId, 0), failed }
    return customId === null && typeof line === 'number' ? { key: keyOf(null, line), failed } : undefined
  } catch {
    return undefined
  }
}

/** The same for a line of the input and for its row. */
export function keyOf(customId: string | null, line: number): string {
  return customId === null ? `line ${line}` : `id ${customId}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
