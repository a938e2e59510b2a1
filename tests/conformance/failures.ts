// What a test shows of a report that should have no failures.

import type { ConformanceReport } from 'quire-llm/testing'

/** The cases that failed, with why. */
export function failures({ results }: ConformanceReport): readonly string[] {
  return results.flatMap(({ name, status, error }) => (status === 'failed' ? [`${name}: ${error?.message}`] : []))
}
