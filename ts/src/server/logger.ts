// Where the server writes what happens: the caller's logger, or none.

/** A structured logger: pino, or anything of its shape. Prompts and outputs go to it only if the operator asked for that. */
export interface Logger {
  /** A line of no interest while all goes well. */
  debug(fields: object, message?: string): void
  /** What an operator wants to see: replies, throughput. */
  info(fields: object, message?: string): void
  /** What may become a problem. */
  warn(fields: object, message?: string): void
  /** What went wrong in the server. */
  error(fields: object, message?: string): void
}
