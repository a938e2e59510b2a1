// A command line of `quire serve`, written as vLLM's users write theirs, into one that the rows of options can be read by.

import { passOver } from './foreign-flags.js'
import { numberOf } from './number-suffix.js'
import type { ServeRow } from './serve-options.js'
import { UsageError } from './usage-error.js'

export interface NormalArguments {
  /** `--name=value` and `--name`, every one with a row. */
  readonly args: readonly string[]
  /** The names that are in `args`. */
  readonly names: ReadonlySet<string>
}

/** @throws UsageError naming the option. */
export function normalArguments(
  given: readonly string[],
  rows: readonly ServeRow[],
  aliases: Readonly<Record<string, string>>,
): NormalArguments {
  const byName = new Map(rows.map(row => [row.name, row]))
  const rest = [...given]
  const args: string[] = []
  const names = new Set<string>()
  const put = (name: string, value?: string): void => {
    names.add(name)
    args.push(value === undefined ? `--${name}` : `--${name}=${value}`)
  }
  // The model may stand first without its flag.
  if (rest[0] !== undefined && !rest[0].startsWith('-')) put('model', rest.shift())
  while (rest.length > 0) {
    const word = rest.shift() as string
    if (!word.startsWith('-')) throw new UsageError(`'${word}' belongs to no option; the model comes first.`)
    const [spelled = '', ...parts] = word.replace(/^--?/, '').split('=')
    const inline = parts.length === 0 ? undefined : parts.join('=')
    const name = nameOf(spelled, aliases)
    const row = byName.get(name)
    if (row === undefined) {
      const used = passOver(name, inline ?? valueIn(rest), [...byName.keys(), ...Object.keys(aliases)])
      if (used === 'value' && inline === undefined) rest.shift()
    } else if (row.kind === 'flag') {
      if (flagValue(name, inline)) put(name)
      // A flag that is off by itself needs no opposite.
      else if (byName.has(oppositeOf(name))) put(oppositeOf(name))
    } else if (row.kind === 'texts') {
      for (const value of listOf(name, inline === undefined ? takeWords(name, rest) : [inline])) put(name, value)
    } else {
      const value = inline ?? rest.shift()
      if (value === undefined) throw new UsageError(`--${name} needs a value.`)
      put(name, row.kind === 'number' ? plainNumber(name, value) : value)
    }
  }
  return { args, names }
}

/** `no-x` of `x`, and `x` of `no-x`. */
export function oppositeOf(name: string): string {
  return name.startsWith('no-') ? name.slice(3) : `no-${name}`
}

/** vLLM's users write `_` as well as `-`. */
function nameOf(spelled: string, aliases: Readonly<Record<string, string>>): string {
  const name = spelled.replaceAll('_', '-')
  return aliases[name] ?? name
}

function valueIn([next]: readonly string[]): string | undefined {
  return next === undefined || next.startsWith('--') ? undefined : next
}

function flagValue(name: string, inline: string | undefined): boolean {
  if (inline === undefined || /^(true|1)$/i.test(inline)) return true
  if (/^(false|0)$/i.test(inline)) return false
  throw new UsageError(`--${name} is on or off; it takes no value '${inline}'.`)
}

/** All words up to the next option. */
function takeWords(name: string, rest: string[]): string[] {
  const words: string[] = []
  while (rest[0] !== undefined && !rest[0].startsWith('--')) words.push(rest.shift() as string)
  if (words.length === 0) throw new UsageError(`--${name} needs a value.`)
  return words
}

/** Lists may also be written as JSON, as vLLM's are. */
function listOf(name: string, words: readonly string[]): readonly string[] {
  const [only = ''] = words
  if (words.length !== 1 || !only.startsWith('[')) return words
  try {
    const list: unknown = JSON.parse(only)
    if (Array.isArray(list) && list.every(entry => typeof entry === 'string')) return list
  } catch {
    // told below
  }
  throw new UsageError(`--${name} needs a list of strings, got '${only}'.`)
}

function plainNumber(name: string, text: string): string {
  const value = numberOf(text)
  if (Number.isNaN(value)) {
    throw new UsageError(`--${name} needs a number, such as 8, 1k (1000) or 1K (1024), got '${text}'.`)
  }
  return String(value)
}
