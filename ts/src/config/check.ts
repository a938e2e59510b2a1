// Checks of single values, each naming the parameter in its error.

import { InvalidArgumentError } from '../errors.js'

export type Choice<T extends string> = readonly T[]

interface Range {
  readonly above?: number
  readonly atLeast?: number
  readonly below?: number
  readonly atMost?: number
}

function number(name: string, value: unknown, range: Range = {}): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new InvalidArgumentError(name, `${name} must be a finite number, got ${String(value)}.`, value)
  }
  const { above = -Infinity, atLeast = -Infinity, below = Infinity, atMost = Infinity } = range
  if (value <= above || value < atLeast || value >= below || value > atMost) {
    throw new InvalidArgumentError(name, `${name} must be ${describe(range)}, got ${value}.`, value)
  }
  return value
}

function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new InvalidArgumentError(name, `${name} must be an integer, got ${String(value)}.`, value)
  }
  if (value < least) throw new InvalidArgumentError(name, `${name} must be at least ${least}, got ${value}.`, value)
  if (value > most) throw new InvalidArgumentError(name, `${name} must be at most ${most}, got ${value}.`, value)
  return value
}

function safeInteger(name: string, value: unknown): number {
  return integer(name, value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
}

function boolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new InvalidArgumentError(name, `${name} must be true or false.`, value)
  return value
}

function string(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new InvalidArgumentError(name, `${name} must be a string.`, value)
  return value
}

function choice<T extends string>(name: string, value: unknown, choices: Choice<T>): T {
  const found = choices.find(candidate => candidate === value)
  if (found === undefined) {
    throw new InvalidArgumentError(name, `${name} must be one of ${choices.join(', ')}, got ${String(value)}.`, value)
  }
  return found
}

function object<T>(name: string, value: T): T {
  if (typeof value !== 'object' || value === null) {
    throw new InvalidArgumentError(name, `${name} must be an object, got ${String(value)}.`, value)
  }
  return value
}

function callback<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw new InvalidArgumentError(name, `${name} must be a function.`, value)
  return value
}

function signal(name: string, value: unknown): AbortSignal {
  if (typeof (value as Partial<AbortSignal> | null)?.addEventListener !== 'function') {
    throw new InvalidArgumentError(name, `${name} must be an AbortSignal.`, value)
  }
  return value as AbortSignal
}

function optional<T>(checkValue: (name: string, value: unknown) => T, name: string, value: unknown): T | undefined {
  return value === undefined ? undefined : checkValue(name, value)
}

function describe({ above, atLeast, below, atMost }: Range): string {
  const low = above !== undefined ? `(${above}` : `[${atLeast ?? '-inf'}`
  const high = below !== undefined ? `${below})` : `${atMost ?? 'inf'}]`
  return `in ${low}, ${high}`
}

/** One function a kind of value; each returns the value or throws InvalidArgumentError. */
export const check = { number, integer, safeInteger, boolean, string, choice, object, callback, signal, optional }
