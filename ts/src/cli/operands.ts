// What a command line has beside its options: `quire pull org/name --json`.

import type { OptionRow } from './options.js'

export interface SplitArguments {
  readonly operands: readonly string[]
  /** The options, with their values. */
  readonly options: readonly string[]
}

/** Words that are no option and no option's value; after `--` all words. */
export function splitOperands(args: readonly string[], rows: readonly OptionRow[]): SplitArguments {
  const takesValue = new Set(rows.filter(({ kind }) => kind !== 'flag').map(({ name }) => `--${name}`))
  const operands: string[] = []
  const options: string[] = []
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] as string
    if (arg === '--') return { operands: [...operands, ...args.slice(at + 1)], options }
    if (!arg.startsWith('-') || arg === '-') operands.push(arg)
    else {
      options.push(arg)
      if (takesValue.has(arg) && at + 1 < args.length) options.push(args[++at] as string)
    }
  }
  return { operands, options }
}
