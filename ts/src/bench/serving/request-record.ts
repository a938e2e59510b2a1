// What is known of one request of a load, by the clock of the client.

export interface RequestRecord {
  /** When its turn came; it may wait for others to end. Milliseconds, as all times here. */
  readonly arrivalMs: number
  /** When it was sent. */
  readonly startMs: number
  /** From sending to the first token. */
  ttftMs: number | undefined
  /** Between the events that follow. */
  readonly itlsMs: number[]
  /** From sending to the last token. */
  latencyMs: number
  /** Tokens that the server says it made. */
  outputTokens: number | undefined
  /** Tokens of the prompt: as the server says, else as the data set has it. */
  promptTokens: number
  /** Empty where nobody needs it. */
  text: string
  /** Why it failed. */
  error: string | undefined
}
