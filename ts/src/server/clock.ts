// The time as an argument, so that tests have their own.

/** Where the server has the time from. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
}
