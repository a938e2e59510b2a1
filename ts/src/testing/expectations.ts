// What cases expect, and the words in which they are disappointed.

import { AssertionError, deepStrictEqual } from 'node:assert/strict'
import type { ErrorCode } from '../errors.js'

/** @throws AssertionError with `message` unless `condition` holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError({ message })
}

/** Deep equality of values; typed arrays are compared as lists. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [listed(actual), listed(expected)]
  try {
    deepStrictEqual(a, b)
  } catch {
    throw new AssertionError({
      message: `${what}: got ${shown(a)}, expected ${shown(b)}`,
      actual: a,
      expected: b,
      operator: 'deepStrictEqual',
    })
  }
}

/** `work` must fail with one of the codes, by throwing or by a rejected promise. */
export async function expectCode(
  work: () => unknown,
  codes: readonly (ErrorCode | RegExp)[],
  what: string,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    return expectCodeOf(error, codes, what)
  }
  throw new AssertionError({ message: `${what}: expected ${codes.join(' or ')}, nothing was thrown` })
}

/** `work` must throw at once, with one of the codes. */
export function expectThrows(work: () => unknown, codes: readonly ErrorCode[], what: string): void {
  try {
    work()
  } catch (error) {
    expectCodeOf(error, codes, what)
    return
  }
  throw new AssertionError({ message: `${what}: expected ${codes.join(' or ')} at once, nothing was thrown` })
}

/** The stable code of an error of Quire. Plugins may have their own copy of the classes, so classes are not compared. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** `work`, or an error after `milliseconds`. */
export async function withinTime<T>(work: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const message = `${what} did not end within ${milliseconds / 1000} s`
    timer = setTimeout(() => reject(new AssertionError({ message })), milliseconds)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function expectCodeOf(error: unknown, codes: readonly (ErrorCode | RegExp)[], what: string): void {
  const code = codeOf(error)
  const fits = codes.some(each => (typeof each === 'string' ? each === code : each.test(code ?? '')))
  if (fits) return
  throw new AssertionError({
    message: `${what}: expected ${codes.join(' or ')}, got ${code ?? 'no code'} (${String(error)})`,
    actual: code,
  })
}

function listed(value: unknown): unknown {
  if (!ArrayBuffer.isView(value)) return value
  return Array.from(value as unknown as ArrayLike<unknown>)
}

function shown(value: unknown): string {
  const text = JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}n` : each)) ?? String(value)
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}
