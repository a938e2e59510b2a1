// A promise from a function that should not be asynchronous.

/** Whether `value` is a promise. Nobody waits for it, and its failure must not end the process. */
export function isStrayPromise(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || typeof (value as { then?: unknown }).then !== 'function')
    return false
  Promise.resolve(value).catch(() => {})
  return true
}
