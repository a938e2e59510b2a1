// One thing that a plugin must do, and how a case says that it cannot be tried here.

import type { PluginSubject } from './plugin-subject.js'

/** What a case is about. */
export type CaseGroup =
  | 'plugin'
  | 'tensors'
  | 'dtypes'
  | 'devices'
  | 'memory'
  | 'collectives'
  | 'kv cache'
  | 'runner'
  | 'sampling'
  | 'errors'
  | 'embeddings'
  | 'golden tokens'

/** How a case ended. */
export type CaseStatus = 'passed' | 'failed' | 'skipped'

export interface ConformanceCase {
  readonly name: string
  readonly group: CaseGroup
  /** Throws where the plugin does not conform. What it returns is a note for the report. */
  run(subject: PluginSubject): Promise<string | undefined>
}

/** Thrown by a case that cannot be tried with this plugin or on this machine. */
export class CaseSkipped extends Error {
  override readonly name = 'CaseSkipped'
}

/** Ends the case as skipped. */
export function skip(reason: string): never {
  throw new CaseSkipped(reason)
}
