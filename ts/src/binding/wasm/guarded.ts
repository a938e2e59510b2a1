// A panic in the module is a trap: an exception that leaves it half changed. This door turns the first into an InternalError, and
// lets nobody in after it.

import { type EngineError, InternalError, OutOfMemoryError } from '../../errors.js'

type Callable = (this: unknown, ...values: unknown[]) => unknown

/** Wraps every function, constructor, method and static method that the module exports. */
export function guardExports(
  exports: Readonly<Record<string, unknown>>,
  describe: () => string | undefined,
): Record<string, unknown> {
  let end: EngineError | undefined
  const guard = (name: string, call: Callable): Callable =>
    function guarded(...values) {
      if (end !== undefined) throw end
      try {
        return call.apply(this, values)
      } catch (cause) {
        end = errorOf(name, cause, describe)
        throw end
      }
    }
  return Object.fromEntries(
    Object.entries(exports).map(([name, value]) => {
      if (typeof value !== 'function') return [name, value]
      if (!isClass(value)) return [name, guard(name, value as Callable)]
      guardMembers(name, value, guard)
      guardMembers(name, value.prototype, guard)
      return [name, guardConstructor(name, value, guard)]
    }),
  )
}

function guardMembers(owner: string, members: object, guard: (name: string, call: Callable) => Callable): void {
  for (const [name, { value, writable }] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
    if (typeof value !== 'function' || writable !== true || INTERNAL.test(name)) continue
    Object.defineProperty(members, name, {
      value: guard(`${owner}.${name}`, value),
      configurable: true,
      writable: true,
    })
  }
}

/** The same class; a Proxy, because what makes objects of it inside of the module must not go through the door. */
function guardConstructor(name: string, value: object, guard: (name: string, call: Callable) => Callable): object {
  const construct = (...given: unknown[]) => Reflect.construct(...(given as Parameters<typeof Reflect.construct>))
  return new Proxy(value, { construct: guard(`new ${name}`, construct) as Required<ProxyHandler<object>>['construct'] })
}

/** wasm-bindgen's own members. */
const INTERNAL = /^(?:constructor|prototype|free|shared|__.*)$/

function isClass(value: object): value is { readonly prototype: object } {
  return /^class\b/.test(Function.prototype.toString.call(value))
}

/** Memory that gave out leaves no message: the allocator has nothing to write one with. */
function errorOf(name: string, cause: unknown, describe: () => string | undefined): EngineError {
  const message = describe()
  const trap = cause instanceof Error ? cause.message : String(cause)
  if (message === undefined && /unreachable/.test(trap)) {
    return new OutOfMemoryError(`WebAssembly memory gave out in ${name}; the module cannot be used any more.`, {
      cause,
    })
  }
  return new InternalError(`The WebAssembly module failed in ${name}: ${message ?? trap}`, { cause })
}
