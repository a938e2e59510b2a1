// The RFC's global: `framework` is a live accessor of the Framework that was selected last. Each engine keeps its own
// instance, so this is a convenience for programs with one, never a way for the engine to find its framework.

import { NoFrameworkError } from '../errors.js'
import type { Framework } from './framework.js'

let current: Framework | undefined

/** Makes `selected` the one that `framework` speaks for. */
export function setCurrentFramework(selected: Framework): void {
  current = selected
}

function selectedFramework(): Framework {
  if (current === undefined) {
    throw new NoFrameworkError('No framework is selected yet: create an LLM, or await useFramework(name), first.')
  }
  return current
}

/** The selected framework's tensor, dtype, device and communication calls. @throws NoFrameworkError before one is selected. */
export const framework: Framework = new Proxy({} as Framework, {
  get(_target, property) {
    const selected = selectedFramework()
    const value: unknown = Reflect.get(selected, property)
    return typeof value === 'function' ? value.bind(selected) : value
  },
  has: (_target, property) => current !== undefined && Reflect.has(current, property),
})
